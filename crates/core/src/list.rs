//! First-in, first-out lists threaded through the elements of an arena.
//!
//! An element carries its [`Links`]; a [`List`] is only two ends and a length, so an element leaves
//! from the middle in O(1) and nothing is allocated. An element with several `Links` fields is in as
//! many lists at once, each seen through its own [`Linked`] adaptor.

/// The absence of an element.
const NONE: u32 = u32::MAX;

/// An element's neighbours in one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    prev: u32,
    next: u32,
}

const _: () = assert!(size_of::<Links>() == 8);

impl Links {
    /// In no list.
    pub(crate) const NONE: Self = Self {
        prev: NONE,
        next: NONE,
    };
}

impl Default for Links {
    fn default() -> Self {
        Self::NONE
    }
}

/// Elements with a place for their neighbours.
pub(crate) trait Linked {
    /// The links of the element at `index`, which exists.
    fn links(&mut self, index: u32) -> &mut Links;
}

/// A list of elements held elsewhere.
///
/// Every call takes the store the elements live in, always the same one. An element is in at most
/// one of the lists that share a `Links` field.
#[derive(Clone, Debug)]
pub(crate) struct List {
    head: u32,
    tail: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// The empty list.
    pub(crate) const fn new() -> Self {
        Self {
            head: NONE,
            tail: NONE,
            len: 0,
        }
    }

    /// How many elements there are.
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element that has waited longest.
    pub(crate) const fn front(&self) -> Option<u32> {
        if self.head == NONE {
            None
        } else {
            Some(self.head)
        }
    }

    /// Adds an element, which is in no list yet, at the end.
    pub(crate) fn push_back(&mut self, store: &mut impl Linked, index: u32) {
        debug_assert!(
            *store.links(index) == Links::default() && self.head != index,
            "an element is in one list at a time"
        );
        *store.links(index) = Links {
            prev: self.tail,
            next: NONE,
        };
        match self.tail {
            NONE => self.head = index,
            last => store.links(last).next = index,
        }
        self.tail = index;
        self.len += 1;
    }

    /// Adds an element, which is in no list yet, at the front.
    pub(crate) fn push_front(&mut self, store: &mut impl Linked, index: u32) {
        debug_assert!(
            *store.links(index) == Links::default() && self.head != index,
            "an element is in one list at a time"
        );
        *store.links(index) = Links {
            prev: NONE,
            next: self.head,
        };
        match self.head {
            NONE => self.tail = index,
            first => store.links(first).prev = index,
        }
        self.head = index;
        self.len += 1;
    }

    /// Takes the element that has waited longest.
    pub(crate) fn pop_front(&mut self, store: &mut impl Linked) -> Option<u32> {
        let index = self.front()?;
        self.remove(store, index);
        Some(index)
    }

    /// Takes an element out, wherever it stands. One that is in no list is left alone; answers
    /// whether it was in this one.
    pub(crate) fn remove(&mut self, store: &mut impl Linked, index: u32) -> bool {
        let Links { prev, next } = *store.links(index);
        if prev == NONE && self.head != index {
            return false;
        }
        match prev {
            NONE => self.head = next,
            before => store.links(before).next = next,
        }
        match next {
            NONE => self.tail = prev,
            after => store.links(after).prev = prev,
        }
        *store.links(index) = Links::default();
        self.len -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    struct Plain(Vec<Links>);

    impl Linked for Plain {
        fn links(&mut self, index: u32) -> &mut Links {
            &mut self.0[index as usize]
        }
    }

    /// Elements in two lists at once.
    type Pairs = Vec<(Links, Links)>;
    struct ByAge<'a>(&'a mut Pairs);
    struct ByPort<'a>(&'a mut Pairs);

    impl Linked for ByAge<'_> {
        fn links(&mut self, index: u32) -> &mut Links {
            &mut self.0[index as usize].0
        }
    }

    impl Linked for ByPort<'_> {
        fn links(&mut self, index: u32) -> &mut Links {
            &mut self.0[index as usize].1
        }
    }

    #[test]
    fn an_element_is_in_several_lists_through_several_adaptors() {
        let mut pairs = vec![Default::default(); 3];
        let (mut age, mut port) = (List::new(), List::new());
        for index in 0..3 {
            age.push_back(&mut ByAge(&mut pairs), index);
            port.push_back(&mut ByPort(&mut pairs), 2 - index);
        }
        assert!(age.remove(&mut ByAge(&mut pairs), 1));
        assert_eq!((age.len(), port.len()), (2, 3));
        assert_eq!(age.pop_front(&mut ByAge(&mut pairs)), Some(0));
        assert_eq!(port.pop_front(&mut ByPort(&mut pairs)), Some(2));
        assert_eq!(age.front(), Some(2));
        assert_eq!(port.front(), Some(1));
    }

    #[test]
    fn removing_what_is_in_no_list_changes_nothing() {
        let mut store = Plain(vec![Links::default(); 2]);
        let mut list = List::default();
        list.push_back(&mut store, 0);
        assert!(!list.remove(&mut store, 1));
        assert!(list.remove(&mut store, 0));
        assert!(!list.remove(&mut store, 0));
        assert!(list.is_empty() && list.front().is_none());
    }

    proptest! {
        #[test]
        fn behaves_as_a_queue(steps in prop::collection::vec((0u8..4, 0u32..16), 0..200)) {
            let mut store = Plain(vec![Links::default(); 16]);
            let (mut list, mut model) = (List::new(), VecDeque::new());
            for (step, index) in steps {
                match step {
                    0 if !model.contains(&index) => {
                        list.push_back(&mut store, index);
                        model.push_back(index);
                    }
                    1 if !model.contains(&index) => {
                        list.push_front(&mut store, index);
                        model.push_front(index);
                    }
                    2 => {
                        let held = model.contains(&index);
                        prop_assert_eq!(list.remove(&mut store, index), held);
                        model.retain(|&other| other != index);
                    }
                    _ => prop_assert_eq!(list.pop_front(&mut store), model.pop_front()),
                }
                prop_assert_eq!(list.len(), model.len());
                prop_assert_eq!(list.front(), model.front().copied());
            }
        }
    }
}
