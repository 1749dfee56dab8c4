package store

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// The largest Data of a Ledger and of a Record, and the longest name of an API in
// them and ID of a Record, in bytes.
const (
	MaxLedger   = 8 << 20
	MaxRecord   = 1 << 20
	MaxAlertAPI = 1000
	MaxRecordID = 100
)

// RecordKinds returns the kinds of records.
func RecordKinds() []RecordKind {
	return []RecordKind{RecordIncident, RecordSilence, RecordMaintenance, RecordAck}
}

// Check returns an ErrRefused that says why no store takes the ledger, or nil.
func (l Ledger) Check() error {
	if err := checkAlertAPI(l.API); err != nil {
		return err
	}
	switch {
	case l.Version < 1:
		return fmt.Errorf("the ledger of %s has the version %d: versions count from 1: %w", l.API, l.Version, ErrRefused)
	case len(l.Data) == 0:
		return fmt.Errorf("the ledger of %s is empty: %w", l.API, ErrRefused)
	case len(l.Data) > MaxLedger:
		return fmt.Errorf("the ledger of %s has %d bytes, at most %d are stored: %w", l.API, len(l.Data), MaxLedger, ErrRefused)
	}
	return nil
}

// Check returns an ErrRefused that says why no store takes the record, or nil.
func (r Record) Check() error {
	if err := checkAlertAPI(r.API); err != nil {
		return err
	}
	switch {
	case !slices.Contains(RecordKinds(), r.Kind):
		return fmt.Errorf("%q is no kind of record; there are %q: %w", r.Kind, RecordKinds(), ErrRefused)
	case !isRecordID(r.ID):
		return fmt.Errorf("the id of a record must be 1 to %d characters of printable ASCII without spaces, %.110q is not: %w", MaxRecordID, r.ID, ErrRefused)
	case r.At.IsZero():
		return fmt.Errorf("the %s %s has no time: %w", r.Kind, r.ID, ErrRefused)
	case len(r.Data) == 0:
		return fmt.Errorf("the %s %s is empty: %w", r.Kind, r.ID, ErrRefused)
	case len(r.Data) > MaxRecord:
		return fmt.Errorf("the %s %s has %d bytes, at most %d are stored: %w", r.Kind, r.ID, len(r.Data), MaxRecord, ErrRefused)
	}
	return nil
}

// Check says what is wrong with the query, or returns nil.
func (q RecordQuery) Check() error {
	switch {
	case q.Limit < 1:
		return fmt.Errorf("a limit of %d records: it must be positive", q.Limit)
	case !slices.Contains(RecordKinds(), q.Kind):
		return fmt.Errorf("%q is no kind of record; there are %q", q.Kind, RecordKinds())
	case q.API != "":
		return checkAlertAPI(q.API)
	}
	return nil
}

// checkAlertAPI refuses what cannot be part of every store's key.
func checkAlertAPI(api string) error {
	if api == "" || len(api) > MaxAlertAPI || strings.ContainsRune(api, 0) || !utf8.ValidString(api) {
		return fmt.Errorf("the name of an API must be 1 to %d bytes of UTF-8 without a zero byte, %.110q is not: %w", MaxAlertAPI, api, ErrRefused)
	}
	return nil
}

func isRecordID(id string) bool {
	return id != "" && len(id) <= MaxRecordID && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}
