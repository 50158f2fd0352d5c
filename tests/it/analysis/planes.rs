//! Triplets as Python's generator and the published code draw them.

use stratagram::planes::dbviz_planes;

#[test]
fn labels_already_accepted_are_passed_over() {
    // Worked out in CPython; several of these draws repeat a label.
    let labels: Vec<u8> = (0..500).map(|i| ((i * 7 + i / 13) % 10) as u8).collect();
    let image = |i: usize| vec![i as f32, (i * i) as f32];
    let planes = dbviz_planes(&labels, 4, 1, image).unwrap();
    let triplets: Vec<_> = planes.iter().map(|plane| plane.triplet).collect();
    let golden = [[68, 291, 433], [489, 485, 434], [121, 303, 278], [120, 155, 52]];
    assert_eq!(triplets, golden);
}
