//! Mean cross-entropy of logits:
//!
//! ```text
//! L = −(1/n) Σ_i log softmax(z_i)[label_i]      dL/dz = (softmax(z) − onehot)/n
//! ```

use super::tensor::Batch;

/// The mean loss in f64; writes its gradient with respect to the logits. Both are
/// activations of `n_classes` channels and one pixel.
pub(super) fn cross_entropy(
    logits: &[f32],
    labels: &[u8],
    n_classes: usize,
    batch: Batch,
    gradient: &mut [f32],
) -> f64 {
    let row = batch.row(1);
    let scale = 1.0 / batch.n as f64;
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
        total += sum.ln() + most - logit(usize::from(label));
        for (c, exponential) in exponentials.iter().enumerate() {
            let target = f64::from(u8::from(c == usize::from(label)));
            gradient[c * row + i] = ((exponential / sum - target) * scale) as f32;
        }
    }
    total * scale
}
