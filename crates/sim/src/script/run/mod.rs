mod options;
pub(crate) mod wire;
