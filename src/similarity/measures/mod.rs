//! One measure of similarity a file.

pub mod alignment;
pub mod cca;
pub mod cka;
pub(crate) mod kernel;
pub mod neighbours;
pub mod procrustes;
pub mod pwcca;
pub mod rbf;
pub mod rsa;
