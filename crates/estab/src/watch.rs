//! The stack's observer: tells the user's, and keeps the state changes that the device is to hear of.

use std::collections::VecDeque;
use std::fmt;

use estab_core::observe::{Discard, Observer, Refusal, ResetSent, Seen, Transition};

/// See the module.
pub(crate) struct Watch {
    user: Option<Box<dyn Observer + Send>>,
    transitions: VecDeque<Transition>,
}

impl Watch {
    pub(crate) fn new(user: Option<Box<dyn Observer + Send>>) -> Self {
        Self {
            user,
            transitions: VecDeque::new(),
        }
    }

    /// The state change, oldest first, that the device was not told of.
    pub(crate) fn next_transition(&mut self) -> Option<Transition> {
        self.transitions.pop_front()
    }
}

impl Observer for Watch {
    fn transition(&mut self, event: &Transition) {
        self.transitions.push_back(*event);
        if let Some(user) = &mut self.user {
            user.transition(event);
        }
    }

    fn discard(&mut self, event: &Discard) {
        if let Some(user) = &mut self.user {
            user.discard(event);
        }
    }

    fn refusal(&mut self, event: &Refusal) {
        if let Some(user) = &mut self.user {
            user.refusal(event);
        }
    }

    fn reset(&mut self, event: &ResetSent) {
        if let Some(user) = &mut self.user {
            user.reset(event);
        }
    }

    fn seen(&mut self, event: &Seen) {
        if let Some(user) = &mut self.user {
            user.seen(event);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, transitions } = self;
        f.debug_struct("Watch")
            .field("user", &user.is_some())
            .field("transitions", transitions)
            .finish()
    }
}
