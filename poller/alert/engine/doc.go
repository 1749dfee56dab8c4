// Package engine decides which alerts of one API fire, and remembers it. Polls and
// the time go in; alerts, incidents and the messages for receivers come out. It
// knows neither how a rule is evaluated nor how a message is delivered.
//
// # One write
//
// Everything that must survive is the API's ledger in the store: the alerts with
// their times and counts, and the outbox of messages. A change of state and the
// messages that it causes are one write. What has not been written does not exist
// for anybody else: Pending returns only messages that are in the store. So a
// process that is killed before the write has changed nothing, and one that is
// killed after it has lost nothing. A message leaves the outbox in the write that
// follows its delivery; where that one is lost, the message is sent again with the
// same key, by which receivers know it.
//
// # One writer
//
// During writes the ledger again under its term before it decides anything. From
// then on an instance whose time is over cannot write, and what it would have sent
// is what the new one finds in the outbox, with the same keys and in the same
// order.
//
// # Clocks
//
// Times that are shown are those of the wall clock. Durations (for, keep_for,
// reminders) are measured by a clock that only goes forward: where the wall clock
// jumps, the beginnings from which they count jump with it. From one process to
// the next they go on by the wall clock; a clock that is behind the ledger lets no
// time pass in between. The number in the name of an incident only rises, whatever
// the clock does: no two messages ever have one key.
package engine
