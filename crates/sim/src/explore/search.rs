//! Breadth first through everything that may happen, so that a counter-example is as short as there is.
//!
//! A state takes some ten kilobytes, a way to it eight bytes: what is kept of a state is its fingerprint, the state it
//! came from and the action between both. A state that is to be looked at again is made again along its way, unless it
//! is among the few that are kept because they are next.

use std::collections::{HashSet, VecDeque};

use super::endpoint::Endpoint;
use super::net::{Action, Net};
use super::properties;
use super::scenario::Scenario;

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Report {
    /// Different states seen.
    pub states: usize,
    /// Actions taken between them.
    pub transitions: usize,
    /// The longest of the shortest ways to a state.
    pub depth: usize,
    /// States visited while checking that all ends well.
    pub endings: usize,
    /// Whether the limit of states came first: then this is not everything.
    pub is_cut: bool,
    /// The first, and so a shortest, way to what must not be.
    pub counter_example: Option<CounterExample>,
}

/// A way to what must not be.
#[derive(Clone, Debug)]
pub struct CounterExample {
    /// What must not be.
    pub what: String,
    /// The way: what may go wrong, then what follows when nothing does any more.
    pub actions: Vec<Action>,
}

/// States that are kept as they are, because they are next.
const KEPT: usize = 4096;

/// Actions after which a run that nothing disturbs must have come to rest.
const PATIENCE: usize = 5_000;

struct Node {
    parent: u32,
    action: Action,
}

struct Explorer<'a, E> {
    scenario: &'a Scenario,
    root: Net<E>,
    nodes: Vec<Node>,
    seen: HashSet<u64>,
    /// States from which a run that nothing disturbs is known to end well.
    end_well: HashSet<u64>,
    queue: VecDeque<(u32, Option<Box<Net<E>>>)>,
}

/// Explores a scenario from `root`, up to `limit` states.
pub fn explore<E: Endpoint>(scenario: &Scenario, root: Net<E>, limit: usize) -> Report {
    let mut explorer = Explorer {
        scenario,
        root,
        nodes: Vec::new(),
        seen: HashSet::new(),
        end_well: HashSet::new(),
        queue: VecDeque::new(),
    };
    explorer.run(limit)
}

impl<E: Endpoint> Explorer<'_, E> {
    fn run(&mut self, limit: usize) -> Report {
        let mut report = Report {
            states: 0,
            transitions: 0,
            depth: 0,
            endings: 0,
            is_cut: false,
            counter_example: None,
        };
        let mut root = self.root.clone();
        self.seen.insert(root.fingerprint(true));
        self.nodes.push(Node {
            parent: 0,
            action: Action::Timer,
        });
        if let Err(found) = self.check(0, &root) {
            report.counter_example = Some(found);
        }
        self.queue.push_back((0, Some(Box::new(root))));
        while let Some((node, state)) = self.queue.pop_front() {
            if report.counter_example.is_some() {
                break;
            }
            if self.nodes.len() >= limit {
                report.is_cut = true;
                break;
            }
            let state = state.unwrap_or_else(|| Box::new(self.make_again(node)));
            for action in state.actions(self.scenario) {
                report.transitions += 1;
                if let Err(found) = self.visit(node, &state, action) {
                    report.counter_example = Some(found);
                    break;
                }
            }
        }
        report.states = self.nodes.len();
        report.endings = self.end_well.len();
        // Breadth first: the last state is one of those furthest away.
        report.depth = self.way_to(report.states as u32 - 1).len();
        report
    }

    /// Takes an action from a state, and checks where it leads if nobody was there before.
    fn visit(&mut self, from: u32, state: &Net<E>, action: Action) -> Result<(), CounterExample> {
        let mut next = state.clone();
        next.apply(action, self.scenario);
        next.clear_news();
        if !self.seen.insert(next.fingerprint(true)) {
            return Ok(());
        }
        let node = self.nodes.len() as u32;
        self.nodes.push(Node {
            parent: from,
            action,
        });
        self.check(node, &next)?;
        let kept = (self.queue.len() < KEPT).then(|| Box::new(next));
        self.queue.push_back((node, kept));
        Ok(())
    }

    /// Nothing is wrong here, and from here all ends well once nothing goes wrong any more.
    fn check(&mut self, node: u32, state: &Net<E>) -> Result<(), CounterExample> {
        let wrong = |what, more: &[Action], explorer: &Self| {
            let mut actions = explorer.way_to(node);
            actions.extend_from_slice(more);
            Err(CounterExample { what, actions })
        };
        if let Err(what) = properties::always(state) {
            return wrong(what, &[], self);
        }
        let mut state = state.clone();
        let mut passed = Vec::new();
        let mut taken = Vec::new();
        loop {
            let fingerprint = state.fingerprint(false);
            if self.end_well.contains(&fingerprint) {
                break;
            }
            passed.push(fingerprint);
            let Some(action) = state.fair_action(self.scenario) else {
                if let Err(what) = properties::finally(&state, self.scenario) {
                    return wrong(what, &taken, self);
                }
                break;
            };
            if taken.len() >= PATIENCE {
                return wrong("it never comes to rest".to_owned(), &taken, self);
            }
            taken.push(action);
            state.apply(action, self.scenario);
            state.clear_news();
            if let Err(what) = properties::always(&state) {
                return wrong(what, &taken, self);
            }
        }
        self.end_well.extend(passed);
        Ok(())
    }

    fn way_to(&self, node: u32) -> Vec<Action> {
        let mut way = Vec::new();
        let mut at = node;
        while at != 0 {
            let Node { parent, action } = &self.nodes[at as usize];
            way.push(*action);
            at = *parent;
        }
        way.reverse();
        way
    }

    fn make_again(&self, node: u32) -> Net<E> {
        let mut state = self.root.clone();
        for action in self.way_to(node) {
            state.apply(action, self.scenario);
            state.clear_news();
        }
        state
    }
}
