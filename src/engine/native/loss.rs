//! Mean cross-entropy of logits z with targets t, smoothed as in PyTorch:
//!
//! ```text
//! t = (1 − ε)·onehot + ε/C      L = −(1/n) Σ_i t_i · log softmax(z_i)
//! dL/dz = (softmax(z) − t)/n
//! ```

use super::tensor::Batch;

/// What the logits should be.
#[derive(Clone, Copy)]
pub(super) struct Targets<'a> {
    pub(super) labels: &'a [u8],
    pub(super) n_classes: usize,
    /// ε.
    pub(super) smoothing: f64,
}

/// The mean loss in f64; writes its gradient with respect to the logits. Both are
/// activations of `n_classes` channels and one pixel.
pub(super) fn cross_entropy(
    logits: &[f32],
    Targets { labels, n_classes, smoothing }: Targets<'_>,
    batch: Batch,
    gradient: &mut [f32],
) -> f64 {
    let row = batch.row(1);
    let scale = 1.0 / batch.n as f64;
    let elsewhere = smoothing / n_classes as f64;
    let mut total = 0.0;
    let mut exponentials = vec![0.0; n_classes];
    gradient.fill(0.0);
    for (i, &label) in labels.iter().enumerate() {
        let logit = |c: usize| f64::from(logits[c * row + i]);
        let most = (0..n_classes).map(logit).fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for (c, exponential) in exponentials.iter_mut().enumerate() {
            *exponential = (logit(c) - most).exp();
            sum += *exponential;
        }
        total += sum.ln() + most - (1.0 - smoothing) * logit(usize::from(label));
        if smoothing > 0.0 {
            total -= elsewhere * (0..n_classes).map(logit).sum::<f64>();
        }
        for (c, exponential) in exponentials.iter().enumerate() {
            let hit = f64::from(u8::from(c == usize::from(label)));
            let target = (1.0 - smoothing) * hit + elsewhere;
            gradient[c * row + i] = ((exponential / sum - target) * scale) as f32;
        }
    }
    total * scale
}
