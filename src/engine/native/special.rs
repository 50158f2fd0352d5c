//! exp and the normal distribution on vectors, by polynomials of our own: libm's are scalar.
//!
//! Coefficients are least-squares fits with weights iterated towards the smallest largest
//! error, of values computed with 40 digits.

use pulp::Simd;

use super::isa::mul_add;

/// Below this the result of [`exp`] stays at e^−87, 1.6·10⁻³⁸.
const LOWEST: f32 = -87.0;

/// 1.5·2²³: adding it rounds to a whole number, which then stands in the lowest bits.
const ROUNDING: f32 = 12_582_912.0;

/// ln 2 in two parts, the first with trailing zeros, so that its multiples are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// (e^r − 1 − r)/r² on |r| ≤ ln 2/2, relative error of e^r 3·10⁻⁹.
const EXP: [f32; 5] =
    [0.499_999_94, 0.166_665_21, 0.041_668_39, 0.008_368_717, 0.001_381_46];

/// (Φ(x) − 1/2)/x in powers of x² on |x| ≤ [`CENTRE`], error of Φ 2·10⁻⁹.
const NEAR: [f32; 6] = [
    0.398_942_26,
    -0.066_489_99,
    0.009_971_5,
    -0.001_182_709_6,
    0.000_110_327_46,
    -6.644_861e-6,
];

/// Φ(−x)·e^(x²/2)/t in powers of t = 1/(1 + [`SLOPE`]·x) for x ≥ 0, relative error 3·10⁻⁸.
const FAR: [f32; 9] = [
    0.135_620_5,
    0.136_112_2,
    0.115_197_63,
    0.115_359_314,
    -0.044_718_873,
    0.202_183_38,
    -0.273_133_43,
    0.139_499_87,
    -0.026_120_56,
];
const SLOPE: f32 = 0.34;
const CENTRE: f32 = 1.25;

/// Horner's rule.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(
    simd: S,
    coefficients: [f32; N],
    x: S::f32s,
) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        sum = mul_add(simd, sum, x, simd.splat_f32s(coefficients[i]));
    }
    sum
}

/// e^x for x ≤ 88, relative error below 10⁻⁷; NaN where x is.
///
/// ```text
/// e^x = 2^n · e^r      n = round(x/ln 2)      r = x − n·ln 2
/// ```
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let lowest = simd.splat_f32s(LOWEST);
    let x = simd.select_f32s(simd.less_than_f32s(x, lowest), lowest, x);
    let rounding = simd.splat_f32s(ROUNDING);
    let shifted = mul_add(simd, x, simd.splat_f32s(std::f32::consts::LOG2_E), rounding);
    let n = simd.sub_f32s(shifted, rounding);
    let r = mul_add(simd, n, simd.splat_f32s(-LN_2[0]), x);
    let r = mul_add(simd, n, simd.splat_f32s(-LN_2[1]), r);
    let square = simd.mul_f32s(r, r);
    let rest = mul_add(simd, polynomial(simd, EXP, r), square, r);
    let power = power_of_two(simd, shifted);
    mul_add(simd, rest, power, power)
}

/// 2^n, n in the lowest bits: they move into the exponent, next to its bias.
#[inline(always)]
fn power_of_two<S: Simd>(simd: S, shifted: S::f32s) -> S::f32s {
    let mut power = simd.splat_f32s(0.0);
    let from: &[f32] = pulp::bytemuck::cast_slice(std::slice::from_ref(&shifted));
    let to: &mut [f32] = pulp::bytemuck::cast_slice_mut(std::slice::from_mut(&mut power));
    for (to, from) in to.iter_mut().zip(from) {
        *to = f32::from_bits((from.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    }
    power
}

/// Φ(x) and e^(−x²/2); the error of Φ is below 10⁻⁷.
///
/// Near zero Φ is a polynomial; elsewhere Φ(−|x|) = e^(−x²/2)·R(|x|), with a smooth R.
#[inline(always)]
pub(super) fn normal<S: Simd>(simd: S, x: S::f32s) -> [S::f32s; 2] {
    let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
    let half = simd.splat_f32s(0.5);
    let square = simd.mul_f32s(x, x);
    let near = mul_add(simd, x, polynomial(simd, NEAR, square), half);
    let size = simd.abs_f32s(x);
    let t = simd.div_f32s(one, mul_add(simd, size, simd.splat_f32s(SLOPE), one));
    let bell = exp(simd, simd.mul_f32s(square, simd.splat_f32s(-0.5)));
    let tail = simd.mul_f32s(simd.mul_f32s(polynomial(simd, FAR, t), t), bell);
    let negative = simd.less_than_f32s(x, zero);
    let far = simd.select_f32s(negative, tail, simd.sub_f32s(one, tail));
    let centre = simd.less_than_f32s(size, simd.splat_f32s(CENTRE));
    [simd.select_f32s(centre, near, far), bell]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::native::isa::{Isa, vectors, vectors_mut};
    use pulp::WithSimd;

    /// Calls with every vector of `values` and puts the result in its place.
    #[inline(always)]
    fn map_in_place<S: Simd>(values: &mut [f32], mut f: impl FnMut(S::f32s) -> S::f32s) {
        for value in vectors_mut::<S>(values) {
            *value = f(*value);
        }
    }

    /// exp, Φ and the bell of each value.
    struct All<'a>(&'a [f32]);

    impl WithSimd for All<'_> {
        type Output = [Vec<f32>; 3];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [Vec<f32>; 3] {
            let mut out = [(); 3].map(|()| self.0.to_vec());
            map_in_place::<S>(&mut out[0], |x| exp(simd, x));
            map_in_place::<S>(&mut out[1], |x| normal(simd, x)[0]);
            map_in_place::<S>(&mut out[2], |x| normal(simd, x)[1]);
            assert_eq!(vectors::<S>(self.0).len() * S::F32_LANES, self.0.len());
            out
        }
    }

    /// Φ by its series Σ x^(2k+1)/(1·3·5⋯(2k+1)) times the density, in f64.
    fn phi(x: f64) -> f64 {
        let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let (mut term, mut sum) = (x.abs(), 0.0);
        for k in 1..400 {
            sum += term;
            term *= x * x / f64::from(2 * k + 1);
        }
        0.5 + x.signum() * density * sum
    }

    #[test]
    fn exp_and_normal_are_those_of_f64() {
        assert!((phi(1.0) - 0.841_344_746_068_542_9).abs() < 1e-15);
        let xs: Vec<f32> =
            (0..1 << 15).map(|i| (i - (1 << 14)) as f32 / 1300.0).collect();
        for isa in Isa::available() {
            let scaled: Vec<f32> = xs.iter().map(|x| x * 6.9).collect();
            for (x, y) in scaled.iter().zip(&isa.run(All(&scaled))[0]) {
                let error = f64::from(*y) / f64::from(*x).exp() - 1.0;
                assert!(error.abs() < 1e-7 * 1.3, "exp({x}) = {y} on {}", isa.name());
            }
            let [_, normal, bell] = isa.run(All(&xs));
            for ((x, y), bell) in xs.iter().zip(&normal).zip(&bell) {
                let exact = f64::from(*x);
                let error = f64::from(*y) - phi(exact);
                assert!(error.abs() < 1e-7, "normal({x}) = {y} on {}", isa.name());
                let error = f64::from(*bell) - (-0.5 * exact * exact).exp();
                assert!(error.abs() < 2e-7, "bell({x}) = {bell} on {}", isa.name());
            }
        }
    }

    #[test]
    fn limits_and_nan_pass_through() {
        for isa in Isa::available() {
            let lanes = isa.lanes();
            let at = |x: f32| isa.run(All(&vec![x; lanes])).map(|values| values[0]);
            assert_eq!(at(0.0)[0].to_bits(), 1.0_f32.to_bits());
            assert_eq!(at(f32::NEG_INFINITY)[0].to_bits(), at(-87.0)[0].to_bits());
            assert!(at(-1e30)[0] < 2e-38 && at(-1e30)[1] < 1e-30 && at(30.0)[1] >= 1.0);
            assert!(at(f32::NAN).iter().all(|value| value.is_nan()));
        }
    }
}
