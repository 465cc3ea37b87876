//! Network devices for estab: TUN, an in-memory link, and the wrappers capture and impair.
