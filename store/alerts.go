package store

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Ledger is what alerting has to remember of an API: the states of its alerts and
// the messages that have not arrived yet. It is one text that is replaced as a
// whole, so that a change of state and the messages that it causes are stored
// together or not at all, in every store.
type Ledger struct {
	API string
	// Term numbers the writer's time in office, see Outcomes.PutOutcomes.
	Term int64
	// Version counts the writes, from 1 on.
	Version int64
	// Data is compact JSON text. A store never looks into it.
	Data json.RawMessage
}

// Ledgers is the side of a store that keeps ledgers.
type Ledgers interface {
	// Ledger returns the ledger of an API, or ErrNotFound, also where what is stored
	// is damaged: PutLedger replaces it by a ledger of Version 1 then.
	Ledger(ctx context.Context, api string) (Ledger, error)
	// PutLedger stores a ledger whose Version is one more than that of the stored
	// one, or 1 where none is stored; else the error is ErrConflict. Where a later
	// Term has written, it is ErrFenced. When it returns nil the ledger is durable.
	// What Ledger.Check does not allow is ErrRefused.
	PutLedger(ctx context.Context, l Ledger) error
}

// RecordKind says what a Record is.
type RecordKind string

// The kinds of records.
const (
	RecordIncident    RecordKind = "incident"
	RecordSilence     RecordKind = "silence"
	RecordMaintenance RecordKind = "maintenance"
	RecordAck         RecordKind = "acknowledgement"
)

// Record is something that people or alerting have noted about an API.
type Record struct {
	Kind RecordKind
	API  string
	// ID names it within its kind and API: up to 100 characters of printable
	// ASCII without spaces.
	ID string
	// At is its time, by which records are in order: when an incident began, a
	// silence was made, and so on. It never changes. Whole milliseconds in UTC.
	At time.Time
	// Version decides between two writes of one record: the higher one stays.
	Version int64
	// Data is compact JSON text. A store never looks into it.
	Data json.RawMessage
}

// RecordQuery selects records of one kind, newest first: by At, then by ID, and
// then by API.
type RecordQuery struct {
	Kind RecordKind
	// API limits them to one API; empty selects all.
	API string
	// ID selects one record; empty: all.
	ID string
	// From and To bound At, both inclusive; the zero time is no bound.
	From, To time.Time
	// Before is the record behind which the answer begins. The zero value begins
	// with the newest.
	Before RecordPlace
	// Limit is the largest number of records; it must be positive.
	Limit int
}

// RecordPlace is a place in the order of records.
type RecordPlace struct {
	At time.Time
	ID string
	// API tells records of two APIs with one At and ID apart. Empty: the place is
	// behind all of them.
	API string
}

// Compare returns a positive number where p is newer than q, comes before it in an
// answer that is; a negative one where it is older, and 0 for one place.
func (p RecordPlace) Compare(q RecordPlace) int {
	return cmp.Or(p.At.Compare(q.At), strings.Compare(p.ID, q.ID), strings.Compare(p.API, q.API))
}

// Place returns where the record stands in the order of records.
func (r Record) Place() RecordPlace { return RecordPlace{At: r.At, ID: r.ID, API: r.API} }

// Records is the side of a store that keeps records.
type Records interface {
	// PutRecord stores a record. One of its kind, API and ID that is there is
	// replaced if its Version is lower, else the error is ErrConflict, also where
	// it is the same. When it returns nil the record is durable. What Record.Check
	// does not allow is ErrRefused, and another At than that of the record that is
	// there.
	PutRecord(ctx context.Context, r Record) error
	// FindRecords returns the records that match. Those that cannot be read any
	// more are left out.
	FindRecords(ctx context.Context, q RecordQuery) ([]Record, error)
	// DeleteRecords deletes records of a kind with an At before a time, at most max
	// of them, and returns how many there were.
	DeleteRecords(ctx context.Context, kind RecordKind, before time.Time, max int) (deleted int, err error)
}

// Alerts is everything that a store keeps for alerting.
type Alerts interface {
	Ledgers
	Records
}
