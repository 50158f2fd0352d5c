//! Measures of similarity: plain arrays in, values by definition out.

mod collapse;
mod declared;
mod errors;
mod invariances;
mod limits;
mod routes;
mod scales;
mod similarity;
mod values;
