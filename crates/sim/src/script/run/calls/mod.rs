//! System calls: begun at their time, held against what the script says they answer.

mod arguments;
mod check;
mod message;
mod plan;

use std::time::Duration;

use super::super::ast::{Call, Event, Expression};
use super::super::subject::{CallId, Outcome};
use super::ladder::RungKind;
use super::report::Failure;
use super::schedule::Due;
use super::{LONGEST_CALL, Runner};
use plan::Plan;

/// How long a call may go on after another was to begin, as in packetdrill.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// A call that blocks while other events happen.
pub(super) struct Blocking<'a> {
    id: CallId,
    event: &'a Event,
    call: &'a Call,
    plan: Plan,
    due: Due,
    /// When it is to return.
    end: Duration,
}

impl<'a> Runner<'a> {
    pub(super) fn call(
        &mut self,
        event: &'a Event,
        call: &'a Call,
        due: &Due,
        none_expected: bool,
    ) -> Result<(), Failure> {
        self.await_blocking();
        self.poll_blocking()?;
        if call.until.is_some() && self.blocking.is_some() {
            return Err(Failure::new("another call is still blocking"));
        }
        self.wait_until(due, none_expected, "the system call")?;
        let plan = self.plan(call)?;
        self.prepare(&plan);
        let id = self.subject.call(plan.call.clone());
        self.listen_to_story();
        let blocking = Blocking {
            id,
            event,
            call,
            plan,
            due: *due,
            end: due.offset + call.until.unwrap_or_default(),
        };
        if call.until.is_some() {
            self.blocking = Some(blocking);
            return self.poll_blocking();
        }
        let limit = self.subject.now() + LONGEST_CALL;
        match self.subject.wait_for(id, limit) {
            Some(outcome) => self.end_call(&blocking, &outcome),
            None => Err(Failure::new("the call blocks")
                .expected("a call that returns at once, for it has no end time")),
        }
    }

    /// Lets a call that blocks come to its end, if it does so soon.
    fn await_blocking(&mut self) {
        let Some(blocking) = self.blocking.take() else {
            return;
        };
        let limit = self.subject.now() + LAST_MOMENT;
        match self.subject.wait_for(blocking.id, limit) {
            Some(outcome) => self.ended = Some((blocking, outcome)),
            None => self.blocking = Some(blocking),
        }
    }

    /// Looks whether the call that blocks has ended, and as the script says.
    pub(super) fn poll_blocking(&mut self) -> Result<(), Failure> {
        if let Some(blocking) = self.blocking.take() {
            match self.subject.outcome(blocking.id) {
                Some(outcome) => self.ended = Some((blocking, outcome)),
                None => self.blocking = Some(blocking),
            }
        }
        let Some((blocking, outcome)) = self.ended.take() else {
            return Ok(());
        };
        let event = blocking.event;
        self.end_call(&blocking, &outcome)
            .and_then(|()| {
                blocking
                    .due
                    .check_end(blocking.end, outcome.at, self.config)
            })
            .map_err(|failure| failure.at(event.line, &event.text))
    }

    /// No call may block at the end of the script.
    pub(super) fn end_blocking(&mut self) -> Result<(), Failure> {
        self.await_blocking();
        self.poll_blocking()?;
        match self.blocking.take() {
            None => Ok(()),
            Some(Blocking { event, .. }) => Err(Failure::new(
                "the call still blocks at the end of the script",
            )
            .at(event.line, &event.text)),
        }
    }

    fn end_call(&mut self, blocking: &Blocking<'_>, outcome: &Outcome) -> Result<(), Failure> {
        let Blocking { call, plan, .. } = blocking;
        let answered = check::answer(&outcome.returned);
        let text = format!("{} = {answered}", signature(call));
        self.ladder.add(outcome.at, RungKind::Call, text);
        let checked = self.check_result(call, plan, &outcome.returned);
        match checked {
            Err(failure) if self.config.non_fatal_syscall && !failure.is_unsupported => {
                let Failure { message, .. } = &failure;
                self.notes
                    .push(format!("warning: line {}: {message}", blocking.event.line));
            }
            Err(failure) => return Err(failure),
            Ok(()) => {}
        }
        self.apply(call, plan, &outcome.returned)
    }
}

/// A call with its arguments.
fn signature(call: &Call) -> String {
    let arguments: Vec<String> = call.arguments.iter().map(Expression::to_string).collect();
    format!("{}({})", call.name, arguments.join(", "))
}
