//! Attention of each head, `o = softmax(q·kᵀ/√d)·v`.
//!
//! A head's queries are taken by a few tokens at a time; their scores with all keys stay in
//! the first cache, and no matrix of scores is ever written. The backward pass computes
//! them again:
//!
//! ```text
//! p = softmax(s)      dp = do·vᵀ      ds = p·(dp − Σ p·dp)/√d
//! dq = ds·k      dk = dsᵀ·q      dv = pᵀ·do
//! ```
//!
//! Images are in the lanes, so softmax and products need nothing across them.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::isa::{mul_add, vectors, vectors_mut};
use super::layernorm::Three;
use super::special::exp;
use super::tokens::{PANEL, Tokens, Workspaces};

/// One attention on one batch.
#[derive(Clone, Copy)]
pub(super) struct Attention<'a> {
    pub(super) tokens: Tokens,
    pub(super) heads: usize,
    /// Features of a head.
    pub(super) features: usize,
    pub(super) spaces: &'a Workspaces,
}

impl Attention<'_> {
    /// Channels of the output; the input has three times as many.
    fn channels(&self) -> usize {
        self.heads * self.features
    }

    /// 1/√d.
    fn scale(&self) -> f32 {
        (1.0 / (self.features as f64).sqrt()) as f32
    }

    /// Values of the scores of two panels of queries.
    fn scores(&self) -> usize {
        self.tokens.panels() * PANEL * 2 * PANEL * self.tokens.batch.lanes
    }

    /// `x` are queries, keys and values.
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32]) {
        let [input, output] = [3, 1].map(|n| self.tokens.block(n * self.channels()));
        let blocks = x.par_chunks(input).zip(y.par_chunks_mut(output));
        blocks.with_min_len(self.tokens.min_tasks(output)).for_each(|(x, y)| {
            let mut lent = self.spaces.lend([self.scores(), 0, 0]);
            let scores = lent.space.buffers[0].get_mut(self.scores());
            self.tokens.isa.run(Forward { of: *self, x, scores, y });
        });
    }

    /// Adds the gradient of queries, keys and values to `dx`, or writes it.
    pub(super) fn backward(
        &self,
        [x, dy]: [&[f32]; 2],
        dx: &mut [f32],
        accumulate: bool,
    ) {
        let [input, output] = [3, 1].map(|n| self.tokens.block(n * self.channels()));
        let blocks = x.par_chunks(input).zip(dy.par_chunks(output));
        blocks.zip(dx.par_chunks_mut(input)).for_each(|((x, dy), dx)| {
            if !accumulate {
                dx.fill(0.0);
            }
            let mut lent = self.spaces.lend([self.scores(), self.scores(), 0]);
            let [p, dp, _] = &mut lent.space.buffers;
            let scores = [p.get_mut(self.scores()), dp.get_mut(self.scores())];
            self.tokens.isa.run(Backward { of: *self, x, dy, scores, dx });
        });
    }

    /// The part of each panel that one head's queries (0), keys (1) or values (2) take.
    fn part(&self, which: usize, head: usize) -> Part {
        let channels = 3 * self.channels();
        let first = which * self.channels() + head * self.features;
        Part { channels, first, features: self.features }
    }

    /// The part of each panel of outputs that one head takes.
    fn output(&self, head: usize) -> Part {
        let features = self.features;
        Part { channels: self.channels(), first: head * features, features }
    }
}

/// Some channels of every panel.
#[derive(Debug, Clone, Copy)]
struct Part {
    channels: usize,
    first: usize,
    features: usize,
}

impl Part {
    #[inline(always)]
    fn of<'x, V>(&self, values: &'x [V], panel: usize) -> &'x [V] {
        &values[panel * self.channels + self.first..][..self.features]
    }

    #[inline(always)]
    fn of_mut<'x, V>(&self, values: &'x mut [V], panel: usize) -> &'x mut [V] {
        &mut values[panel * self.channels + self.first..][..self.features]
    }
}

/// `scores[s][t]` = `scale · Σ_d q[d][t]·k[d][s]` of `G` panels of queries from `first` with
/// all keys; `Q` = 3·`G`.
#[inline(always)]
fn products<S: Simd, const G: usize, const Q: usize>(
    simd: S,
    (queries, query): (&[Three<S>], Part),
    (keys, key): (&[Three<S>], Part),
    (first, scale): (usize, f32),
    scores: &mut [[S::f32s; Q]],
) {
    let scale = simd.splat_f32s(scale);
    let mut query_panels: [&[Three<S>]; G] = [&[]; G];
    for (g, panel) in query_panels.iter_mut().enumerate() {
        *panel = query.of(queries, first + g);
    }
    for (panel, scores) in scores.chunks_exact_mut(PANEL).enumerate() {
        let keys = key.of(keys, panel);
        let query_panels = query_panels.map(|panel| &panel[..keys.len()]);
        let mut sums = [[simd.splat_f32s(0.0); Q]; PANEL];
        for (d, key) in keys.iter().enumerate() {
            for j in 0..PANEL {
                for t in 0..Q {
                    let query = query_panels[t / PANEL][d][t % PANEL];
                    sums[j][t] = mul_add(simd, query, key[j], sums[j][t]);
                }
            }
        }
        for (scores, sums) in scores.iter_mut().zip(&sums) {
            for t in 0..Q {
                scores[t] = simd.mul_f32s(sums[t], scale);
            }
        }
    }
}

/// Softmax over the first `tokens` keys; the others get 0.
#[inline(always)]
fn softmax<S: Simd, const Q: usize>(simd: S, tokens: usize, scores: &mut [[S::f32s; Q]]) {
    let (scores, rest) = scores.split_at_mut(tokens);
    rest.fill([simd.splat_f32s(0.0); Q]);
    let mut most = scores[0];
    for score in &*scores {
        for t in 0..Q {
            let greater = simd.greater_than_f32s(score[t], most[t]);
            most[t] = simd.select_f32s(greater, score[t], most[t]);
        }
    }
    let mut sums = [simd.splat_f32s(0.0); Q];
    for score in &mut *scores {
        for t in 0..Q {
            score[t] = exp(simd, simd.sub_f32s(score[t], most[t]));
            sums[t] = simd.add_f32s(sums[t], score[t]);
        }
    }
    // Loops, not `map`: a closure need not be compiled for the instruction set.
    for sum in &mut sums {
        *sum = simd.div_f32s(simd.splat_f32s(1.0), *sum);
    }
    for score in scores {
        for t in 0..Q {
            score[t] = simd.mul_f32s(score[t], sums[t]);
        }
    }
}

/// `out[d][t]` of `G` panels from `first` = `Σ_s weights[s][t]·v[d][s]`, added where asked;
/// `D` features at a time.
#[inline(always)]
fn combine<S: Simd, const G: usize, const Q: usize, const D: usize>(
    simd: S,
    weights: &[[S::f32s; Q]],
    (values, value): (&[Three<S>], Part),
    (out, to): (&mut [Three<S>], Part),
    (first, accumulate): (usize, bool),
) {
    let whole = value.features / D * D;
    for feature in (0..whole).step_by(D) {
        let part =
            |part: Part, n| Part { first: part.first + feature, features: n, ..part };
        let values = (values, part(value, D));
        combine_features::<S, G, Q, D>(
            simd,
            weights,
            values,
            (&mut *out, part(to, D)),
            (first, accumulate),
        );
    }
    for feature in whole..value.features {
        let part = |part: Part| Part { first: part.first + feature, features: 1, ..part };
        let values = (values, part(value));
        combine_features::<S, G, Q, 1>(
            simd,
            weights,
            values,
            (&mut *out, part(to)),
            (first, accumulate),
        );
    }
}

#[inline(always)]
fn combine_features<S: Simd, const G: usize, const Q: usize, const D: usize>(
    simd: S,
    weights: &[[S::f32s; Q]],
    (values, value): (&[Three<S>], Part),
    (out, to): (&mut [Three<S>], Part),
    (first, accumulate): (usize, bool),
) {
    let mut sums = [[simd.splat_f32s(0.0); Q]; D];
    for (panel, weights) in weights.as_chunks::<PANEL>().0.iter().enumerate() {
        let values: &[Three<S>; D] =
            value.of(values, panel).try_into().expect("D features");
        for j in 0..PANEL {
            for d in 0..D {
                for t in 0..Q {
                    sums[d][t] = mul_add(simd, weights[j][t], values[d][j], sums[d][t]);
                }
            }
        }
    }
    for g in 0..G {
        let out = to.of_mut(out, first + g);
        for d in 0..D {
            for j in 0..PANEL {
                let sum = sums[d][g * PANEL + j];
                let before = out[d][j];
                out[d][j] = if accumulate { simd.add_f32s(before, sum) } else { sum };
            }
        }
    }
}

/// `out[d][s]` += `Σ_t weights[s][t]·x[d][t]` of `G` panels from `first`.
#[inline(always)]
fn spread<S: Simd, const G: usize, const Q: usize>(
    simd: S,
    weights: &[[S::f32s; Q]],
    (values, value): (&[Three<S>], Part),
    (out, to): (&mut [Three<S>], Part),
    first: usize,
) {
    let mut value_panels: [&[Three<S>]; G] = [&[]; G];
    for (g, panel) in value_panels.iter_mut().enumerate() {
        *panel = value.of(values, first + g);
    }
    for (panel, weights) in weights.as_chunks::<PANEL>().0.iter().enumerate() {
        let out = to.of_mut(out, panel);
        let value_panels = value_panels.map(|panel| &panel[..out.len()]);
        for (d, out) in out.iter_mut().enumerate() {
            let mut sums = *out;
            for j in 0..PANEL {
                for t in 0..Q {
                    let x = value_panels[t / PANEL][d][t % PANEL];
                    sums[j] = mul_add(simd, weights[j][t], x, sums[j]);
                }
            }
            *out = sums;
        }
    }
}

/// One block.
struct Forward<'a> {
    of: Attention<'a>,
    x: &'a [f32],
    scores: &'a mut [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.of.tokens.panels();
        // Two panels of queries fill 32 registers; one is left where they are odd.
        let pairs = if S::REGISTER_COUNT >= 32 { panels / 2 * 2 } else { 0 };
        for head in 0..self.of.heads {
            for first in (0..pairs).step_by(2) {
                self.queries::<S, 2, 6, 4>(simd, head, first);
            }
            for first in pairs..panels {
                self.queries::<S, 1, 3, 3>(simd, head, first);
            }
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn queries<S: Simd, const G: usize, const Q: usize, const D: usize>(
        &mut self,
        simd: S,
        head: usize,
        first: usize,
    ) {
        let of = self.of;
        let x = vectors::<S>(self.x).as_chunks::<PANEL>().0;
        let n = of.tokens.panels() * PANEL;
        let scores = &mut vectors_mut::<S>(self.scores).as_chunks_mut::<Q>().0[..n];
        let y = vectors_mut::<S>(self.y).as_chunks_mut::<PANEL>().0;
        let [query, key, value] = [0, 1, 2].map(|which| (x, of.part(which, head)));
        products::<S, G, Q>(simd, query, key, (first, of.scale()), scores);
        softmax(simd, of.tokens.count, scores);
        let out = (y, of.output(head));
        combine::<S, G, Q, D>(simd, scores, value, out, (first, false));
    }
}

/// One block.
struct Backward<'a> {
    of: Attention<'a>,
    x: &'a [f32],
    dy: &'a [f32],
    /// Space for p and for ds.
    scores: [&'a mut [f32]; 2],
    dx: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let panels = self.of.tokens.panels();
        let pairs = if S::REGISTER_COUNT >= 32 { panels / 2 * 2 } else { 0 };
        for head in 0..self.of.heads {
            for first in (0..pairs).step_by(2) {
                self.queries::<S, 2, 6, 4>(simd, head, first);
            }
            for first in pairs..panels {
                self.queries::<S, 1, 3, 3>(simd, head, first);
            }
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn queries<S: Simd, const G: usize, const Q: usize, const D: usize>(
        &mut self,
        simd: S,
        head: usize,
        first: usize,
    ) {
        let of = self.of;
        let x = vectors::<S>(self.x).as_chunks::<PANEL>().0;
        let dy = vectors::<S>(self.dy).as_chunks::<PANEL>().0;
        let dx = vectors_mut::<S>(self.dx).as_chunks_mut::<PANEL>().0;
        let n = of.tokens.panels() * PANEL;
        let [p, ds] = &mut self.scores;
        let p = &mut vectors_mut::<S>(p).as_chunks_mut::<Q>().0[..n];
        let ds = &mut vectors_mut::<S>(ds).as_chunks_mut::<Q>().0[..n];
        let [query, key, value] = [0, 1, 2].map(|which| (x, of.part(which, head)));
        let out = (dy, of.output(head));
        products::<S, G, Q>(simd, query, key, (first, of.scale()), p);
        softmax(simd, of.tokens.count, p);
        products::<S, G, Q>(simd, out, value, (first, 1.0), ds);
        through_softmax(simd, p, ds, of.scale());
        combine::<S, G, Q, D>(simd, ds, key, (&mut *dx, query.1), (first, true));
        spread::<S, G, Q>(simd, ds, query, (&mut *dx, key.1), first);
        spread::<S, G, Q>(simd, p, out, (dx, value.1), first);
    }
}

/// Turns dp into ds = p·(dp − Σ p·dp)·scale.
#[inline(always)]
fn through_softmax<S: Simd, const Q: usize>(
    simd: S,
    p: &[[S::f32s; Q]],
    dp: &mut [[S::f32s; Q]],
    scale: f32,
) {
    let mut sums = [simd.splat_f32s(0.0); Q];
    for (p, dp) in p.iter().zip(&*dp) {
        for t in 0..Q {
            sums[t] = mul_add(simd, p[t], dp[t], sums[t]);
        }
    }
    let scale = simd.splat_f32s(scale);
    for (p, dp) in p.iter().zip(dp) {
        for t in 0..Q {
            let centred = simd.sub_f32s(dp[t], sums[t]);
            dp[t] = simd.mul_f32s(simd.mul_f32s(p[t], centred), scale);
        }
    }
}
