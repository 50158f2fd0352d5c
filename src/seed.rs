//! Named, order-free random streams: every use of randomness derives its own generator from
//! a seed, a name and an index, so that continuing a run needs no saved generator state.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The generator of the stream `name` number `index` under `seed`.
///
/// The key is SHA-256 of the three, so streams are independent and the same on every
/// platform.
pub(crate) fn stream(seed: u64, name: &str, index: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(index.to_le_bytes());
    hash.update(name.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}
