//! The isolate that an instance of a handler lives in: one of its own, or, with `boundary=context`, one that it
//! shares with other instances of the same function on the same thread.
//!
//! A shared isolate takes new instances until it holds [`MOST_RESIDENTS`], or half of its memory limit. Then the
//! next instance begins another one, and the old one ends with its last instance. So the contexts of instances that
//! have ended are freed with their isolate, and V8 need not look for them among the living ones.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::{Arc, Weak};

use isolab_core::{Cause, Spec};

use super::event_loop::EventLoop;
use super::{Origin, PreparedHandler};
use crate::isolate::Isolate;

/// The most instances that live in one isolate. Each has V8's own objects of a context, some hundred KiB.
const MOST_RESIDENTS: usize = 64;

/// The line between two instances of a handler.
#[derive(Clone)]
pub(crate) enum Boundary {
    /// Each has an isolate of its own.
    Isolate,
    /// Each has a context of its own. The token tells the isolates of one prepared handler from those of others.
    Context(Arc<()>),
}

impl Boundary {
    /// The choice of a resolved spec.
    pub(crate) fn of(spec: &Spec) -> Self {
        if spec.get("boundary") == "context" { Self::Context(Arc::default()) } else { Self::Isolate }
    }

    pub(super) fn is_context(&self) -> bool {
        matches!(self, Self::Context(_))
    }
}

thread_local! {
    /// The isolate that the next instance of each prepared handler joins on this thread.
    static OPEN: RefCell<Vec<(Weak<()>, Rc<Home>)>> = const { RefCell::new(Vec::new()) };
}

/// An isolate, and the instances in it.
pub(super) struct Home {
    /// The event loops of the instances.
    residents: RefCell<Vec<Rc<EventLoop>>>,
    is_shared: bool,
    is_stopped: Cell<bool>,
    isolate: RefCell<Isolate>,
}

impl Home {
    /// The isolate for a new instance: a living one, if it may be shared and there is one.
    pub(super) fn of(prepared: &PreparedHandler) -> Rc<Self> {
        let Boundary::Context(token) = &prepared.boundary else {
            return Rc::new(Self::new(prepared, false));
        };
        let token = Arc::downgrade(token);
        let is_mine = |owner: &Weak<()>| owner.ptr_eq(&token);
        let open = OPEN.with_borrow(|open| {
            let mine = open.iter().find(|(owner, _)| is_mine(owner));
            mine.map(|(_, home)| Rc::clone(home))
        });
        if let Some(home) = open.filter(|home| home.has_room()) {
            return home;
        }
        let home = Rc::new(Self::new(prepared, true));
        let closed = OPEN.with_borrow_mut(|open| {
            let is_closed = |owner: &Weak<()>| is_mine(owner) || owner.strong_count() == 0;
            let closed: Vec<_> = open.extract_if(.., |(owner, _)| is_closed(owner)).collect();
            open.push((token.clone(), Rc::clone(&home)));
            closed
        });
        // Isolates may end here, and V8 then calls the host.
        drop(closed);
        home
    }

    /// An isolate for one instance, whatever the boundary.
    pub(super) fn alone(prepared: &PreparedHandler) -> Rc<Self> {
        Rc::new(Self::new(prepared, false))
    }

    fn new(prepared: &PreparedHandler, is_shared: bool) -> Self {
        let blob = match &prepared.origin {
            Origin::Snapshot(blob) => Some(Arc::clone(blob)),
            Origin::Source(..) => None,
        };
        let isolate = Isolate::new(blob, prepared.rules.limits, &prepared.rules.watchdog);
        Self {
            residents: RefCell::default(),
            is_shared,
            is_stopped: Cell::new(false),
            isolate: RefCell::new(isolate),
        }
    }

    fn has_room(&self) -> bool {
        let has_place = !self.is_stopped.get() && self.residents.borrow().len() < MOST_RESIDENTS;
        has_place && {
            let mut isolate = self.isolate();
            isolate.used_bytes() < isolate.limit_bytes() / 2
        }
    }

    /// Whether other instances may live here, too.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(super) fn isolate(&self) -> RefMut<'_, Isolate> {
        self.isolate.borrow_mut()
    }

    /// Has all instances fail if `failed` has stopped the isolate.
    pub(super) fn note<T>(&self, failed: &Result<T, Cause>) {
        if let Err(cause) = failed
            && self.isolate().is_stopped()
        {
            self.is_stopped.set(true);
            for event_loop in &*self.residents.borrow() {
                event_loop.stop(cause);
            }
        }
    }
}

/// The place of one instance in its isolate.
pub(super) struct Residence {
    event_loop: Rc<EventLoop>,
    home: Rc<Home>,
}

impl Residence {
    pub(super) fn new(home: Rc<Home>, event_loop: &Rc<EventLoop>) -> Self {
        home.residents.borrow_mut().push(Rc::clone(event_loop));
        Self { event_loop: Rc::clone(event_loop), home }
    }
}

impl std::ops::Deref for Residence {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Drop for Residence {
    fn drop(&mut self) {
        self.home.residents.borrow_mut().retain(|resident| !Rc::ptr_eq(resident, &self.event_loop));
        if self.home.is_shared {
            self.home.isolate().forget::<Rc<EventLoop>>();
        }
    }
}
