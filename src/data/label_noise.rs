//! Label noise: training labels that are wrong on purpose, drawn once before training.
//!
//! The conventions of the works the paper builds on: `iid` of Nakkiran et al. 2019
//! (arXiv:1912.02292), `exact`, `exact-per-class` and `asymmetric` of public double-descent
//! code, and `pair-flip`. In all of them a corrupted label is never the true one.

use rand::RngExt;

use super::sample::choose;
use crate::experiment::{NoiseConfig, NoiseKind};
use crate::seed;

/// CIFAR-10's classes that look alike: truck → automobile, bird → airplane, cat ↔ dog,
/// deer → horse; the others stay.
const ALIKE: [Option<u8>; 10] =
    [None, None, Some(0), Some(5), Some(7), Some(3), None, None, None, Some(1)];

/// The random streams of training and test labels.
struct Streams {
    wrong: &'static str,
    label: &'static str,
}

const TRAINING: Streams = Streams { wrong: "noise/wrong", label: "noise/label" };
const TEST: Streams = Streams { wrong: "noise/test/wrong", label: "noise/test/label" };

/// The labels with noise of rate p for n examples of C classes:
///
/// - iid: each is wrong with probability p, then uniform over the C−1 other classes
/// - exact: ⌊p·n⌋ examples are wrong, uniform over the others
/// - exact-per-class: likewise ⌊p·`n_c`⌋ of the `n_c` examples of each class c
/// - pair-flip: with probability p the label y becomes y+1 mod C
/// - asymmetric: with probability p a label of a class that looks like another becomes that
///   one (truck → automobile, bird → airplane, cat ↔ dog, deer → horse); the five other
///   classes of CIFAR-10 stay, so the rate over all is p/2 where classes are equally many
///
/// ⌊p·n⌋ is taken of the floating-point product, as Python's `int(p * n)` is.
/// `positions[i]` is the place of example i in the stored data set: an image draws from its
/// own stream, so its label does not depend on which other images are drawn with it (iid,
/// pair-flip, asymmetric) or on their order (all).
///
/// # Panics
/// If there are fewer than two classes, or not as many positions as labels.
pub(super) fn corrupt(
    labels: &[u8],
    positions: &[usize],
    n_classes: usize,
    noise: &NoiseConfig,
) -> Vec<u8> {
    corrupt_with(&TRAINING, labels, positions, n_classes, noise)
}

/// [`corrupt`] for test labels, from streams of their own.
pub(super) fn corrupt_test(
    labels: &[u8],
    positions: &[usize],
    n_classes: usize,
    noise: &NoiseConfig,
) -> Vec<u8> {
    corrupt_with(&TEST, labels, positions, n_classes, noise)
}

fn corrupt_with(
    streams: &Streams,
    labels: &[u8],
    positions: &[usize],
    n_classes: usize,
    noise: &NoiseConfig,
) -> Vec<u8> {
    assert!(n_classes >= 2, "{n_classes} classes leave no wrong label");
    assert_eq!(labels.len(), positions.len(), "labels and positions");
    let mut noisy = labels.to_vec();
    for i in wrong_examples(streams, labels, positions, n_classes, noise) {
        let true_label = usize::from(labels[i]);
        let wrong = match noise.kind {
            NoiseKind::PairFlip => (true_label + 1) % n_classes,
            NoiseKind::Asymmetric => alike(labels[i]).map_or(true_label, usize::from),
            _ => {
                let mut rng =
                    seed::stream(noise.seed, streams.label, positions[i] as u64);
                let other = rng.random_range(0..n_classes as u64 - 1) as usize;
                other + usize::from(other >= true_label)
            }
        };
        noisy[i] = wrong as u8;
    }
    noisy
}

/// The class that a class of CIFAR-10 is mistaken for.
fn alike(label: u8) -> Option<u8> {
    ALIKE.get(usize::from(label)).copied().flatten()
}

/// Which examples get a wrong label.
fn wrong_examples(
    streams: &Streams,
    labels: &[u8],
    positions: &[usize],
    n_classes: usize,
    noise: &NoiseConfig,
) -> Vec<usize> {
    let name = streams.wrong;
    let share = |n: usize| (noise.rate * n as f64) as usize;
    let is_drawn = |i: usize| {
        let mut rng = seed::stream(noise.seed, name, positions[i] as u64);
        rng.random::<f64>() < noise.rate
    };
    match noise.kind {
        NoiseKind::Labels => vec![],
        NoiseKind::Iid | NoiseKind::PairFlip => {
            (0..labels.len()).filter(|&i| is_drawn(i)).collect()
        }
        NoiseKind::Asymmetric => (0..labels.len())
            .filter(|&i| alike(labels[i]).is_some() && is_drawn(i))
            .collect(),
        NoiseKind::Exact => choose(noise.seed, name, positions, share(labels.len())),
        NoiseKind::ExactPerClass => (0..n_classes)
            .flat_map(|class| {
                let of_class = |&i: &usize| usize::from(labels[i]) == class;
                let members: Vec<usize> = (0..labels.len()).filter(of_class).collect();
                let places: Vec<usize> = members.iter().map(|&i| positions[i]).collect();
                let chosen = choose(noise.seed, name, &places, share(members.len()));
                chosen.into_iter().map(move |at| members[at]).collect::<Vec<_>>()
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [NoiseKind; 4] =
        [NoiseKind::Iid, NoiseKind::Exact, NoiseKind::ExactPerClass, NoiseKind::PairFlip];

    fn noise(kind: NoiseKind, rate: f64) -> NoiseConfig {
        NoiseConfig { kind, rate, seed: 11, test: false, path: None, name: None }
    }

    /// 10,000 labels of unbalanced classes 0…4.
    fn labels() -> Vec<u8> {
        (0..10_000).map(|i| [0, 0, 0, 1, 1, 2, 3, 4, 4, 4][i % 10]).collect()
    }

    fn in_order(kind: NoiseKind, rate: f64) -> Vec<u8> {
        corrupt(&labels(), &(0..10_000).collect::<Vec<_>>(), 5, &noise(kind, rate))
    }

    fn count_wrong(noisy: &[u8], class: Option<u8>) -> usize {
        let wrong = |(true_label, noisy): &(u8, &u8)| {
            true_label != *noisy && class.is_none_or(|class| *true_label == class)
        };
        labels().into_iter().zip(noisy).filter(wrong).count()
    }

    #[test]
    fn exact_rates_are_exact() {
        for (rate, expected) in [(0.0, 0), (0.2, 2000), (0.12345, 1234), (1.0, 10_000)] {
            assert_eq!(count_wrong(&in_order(NoiseKind::Exact, rate), None), expected);
        }
        // ⌊0.2995·n_c⌋ for classes of 3000, 2000, 1000, 1000 and 3000.
        let noisy = in_order(NoiseKind::ExactPerClass, 0.2995);
        let found: Vec<usize> =
            (0..5).map(|class| count_wrong(&noisy, Some(class))).collect();
        assert_eq!(found, [898, 599, 299, 299, 898]);
    }

    #[test]
    fn drawn_rates_are_within_four_standard_deviations() {
        for kind in [NoiseKind::Iid, NoiseKind::PairFlip] {
            assert_eq!(count_wrong(&in_order(kind, 0.0), None), 0);
            assert_eq!(count_wrong(&in_order(kind, 1.0), None), 10_000);
            let wrong = count_wrong(&in_order(kind, 0.2), None); // deviation 40
            assert!((1840..2160).contains(&wrong), "{kind:?}: {wrong}");
            assert_ne!(wrong, 2000, "{kind:?} is drawn, not exact");
        }
    }

    #[test]
    fn wrong_labels_are_uniform_over_the_other_classes() {
        for kind in [NoiseKind::Iid, NoiseKind::Exact, NoiseKind::ExactPerClass] {
            let mut counts = [[0; 5]; 5];
            for (true_label, noisy) in labels().into_iter().zip(in_order(kind, 1.0)) {
                counts[usize::from(true_label)][usize::from(noisy)] += 1;
            }
            for (class, counts) in counts.into_iter().enumerate() {
                assert_eq!(counts[class], 0);
                let quarter = f64::from(counts.iter().sum::<i32>()) / 4.0;
                for (_, n) in counts.into_iter().enumerate().filter(|(k, _)| *k != class)
                {
                    // Four standard deviations of a binomial with p = 1/4.
                    let tolerance = 4.0 * (quarter * 0.75).sqrt();
                    let found = (f64::from(n) - quarter).abs();
                    assert!(found < tolerance, "{kind:?}, class {class}: {counts:?}");
                }
            }
        }
    }

    #[test]
    fn a_pair_flip_is_the_next_class() {
        let noisy = in_order(NoiseKind::PairFlip, 0.5);
        for (true_label, noisy) in labels().into_iter().zip(noisy) {
            assert!(noisy == true_label || noisy == (true_label + 1) % 5);
        }
    }

    #[test]
    fn labels_follow_their_images_whatever_the_order() {
        let labels = labels();
        for kind in KINDS {
            let noisy = in_order(kind, 0.3);
            let positions: Vec<usize> = (0..10_000).rev().collect();
            let reversed: Vec<u8> = labels.iter().rev().copied().collect();
            let mut again = corrupt(&reversed, &positions, 5, &noise(kind, 0.3));
            again.reverse();
            assert_eq!(again, noisy, "{kind:?}");
        }
    }

    #[test]
    fn drawn_labels_do_not_depend_on_the_other_images() {
        let positions: Vec<usize> = (0..500).collect();
        for kind in [NoiseKind::Iid, NoiseKind::PairFlip] {
            let few = corrupt(&labels()[..500], &positions, 5, &noise(kind, 0.3));
            assert_eq!(few, in_order(kind, 0.3)[..500], "{kind:?}");
        }
    }

    #[test]
    fn another_seed_gives_other_labels() {
        let positions: Vec<usize> = (0..10_000).collect();
        for kind in KINDS {
            let other = NoiseConfig { seed: 12, ..noise(kind, 0.3) };
            assert_ne!(corrupt(&labels(), &positions, 5, &other), in_order(kind, 0.3));
        }
    }

    #[test]
    fn asymmetric_noise_maps_classes_that_look_alike_and_no_others() {
        // 1,000 of each class of CIFAR-10.
        let labels: Vec<u8> = (0..10_000).map(|i| (i % 10) as u8).collect();
        let positions: Vec<usize> = (0..10_000).collect();
        let noise = noise(NoiseKind::Asymmetric, 0.4);
        let noisy = corrupt(&labels, &positions, 10, &noise);
        let mut flipped = [0; 10];
        for (true_label, noisy) in labels.iter().zip(&noisy) {
            if noisy != true_label {
                flipped[usize::from(*true_label)] += 1;
                let pairs = [(9, 1), (2, 0), (3, 5), (5, 3), (4, 7)];
                assert!(pairs.contains(&(*true_label, *noisy)), "{true_label} → {noisy}");
            }
        }
        for (class, count) in flipped.into_iter().enumerate() {
            if [2, 3, 4, 5, 9].contains(&class) {
                // Four standard deviations of a binomial: 62.
                assert!((338..462).contains(&count), "{flipped:?}");
            } else {
                assert_eq!(count, 0, "{flipped:?}");
            }
        }
    }

    #[test]
    fn test_labels_have_streams_of_their_own() {
        let positions: Vec<usize> = (0..10_000).collect();
        let noise = noise(NoiseKind::Iid, 0.2);
        let test = corrupt_test(&labels(), &positions, 5, &noise);
        assert_ne!(test, in_order(NoiseKind::Iid, 0.2));
        assert!((1840..2160).contains(&count_wrong(&test, None)));
    }
}
