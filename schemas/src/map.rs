//! Maps and sets where hashing shows. Nothing depends on their order, which is another in every process.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

/// What is found by its key.
pub type Map<K, V> = HashMap<K, V, RandomState>;
/// What is there or not.
pub type Set<T> = HashSet<T, RandomState>;
