//! The cases, by name.

mod batches;
mod domains;
mod faults;
mod life;
mod races;
mod refusals;

use std::pin::Pin;

use crate::world::World;

/// A demand that every back end meets.
pub(crate) struct Case {
    /// The name of the function that makes it.
    pub(crate) name: &'static str,
    /// Fails by panicking.
    pub(crate) run: for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

/// The functions of this module as cases.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        vec![$($crate::cases::Case {
            name: stringify!($name),
            run: |world| Box::pin($name(world)),
        }),+]
    };
}
use cases;

/// All of them.
pub(crate) fn all_cases() -> Vec<Case> {
    let parts = [
        life::cases(),
        refusals::cases(),
        batches::cases(),
        races::cases(),
        faults::cases(),
        domains::cases(),
    ];
    parts.into_iter().flatten().collect()
}
