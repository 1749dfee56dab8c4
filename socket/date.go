package socket

import (
	"errors"
	"math"
	"time"
)

var errDate = errors.New("not a date: what JavaScript's new Date(text) takes, or milliseconds since 1970")

// farthest is the largest time value of JavaScript, in milliseconds.
const farthest = 8.64e15

// parseDate reads a date as V8's new Date(text) does: ISO 8601 as ECMAScript
// has it, and what browsers have always taken, such as RFC 2822 and
// String(new Date()). A time without a zone is one of the given location.
func parseDate(text string, local *time.Location) (time.Time, error) {
	p := dateParser{tokens: tokens{text: text}}
	p.named, p.zone.hour, p.zone.minute, p.halfDay = none, none, none, none
	first, ok := p.iso()
	if !ok || first.kind != tokenEnd && !p.legacy(first) {
		return time.Time{}, errDate
	}
	return p.date(local)
}

// none stands for a part that was not given.
const none = -1 << 31

// dateParser holds the parts of a date as they are found.
type dateParser struct {
	tokens  tokens
	day     []int // up to three numbers, in their order
	named   int   // a month by its name
	isISO   bool
	time    []int // hour, minute, second, millisecond
	halfDay int   // 0: am, 12: pm
	zone    struct{ sign, hour, minute int }
}

func (p *dateParser) addDay(n int) bool {
	if len(p.day) == 3 {
		return false
	}
	p.day = append(p.day, n)
	return true
}

func (p *dateParser) addTime(n int) bool {
	if len(p.time) == 4 {
		return false
	}
	p.time = append(p.time, n)
	return true
}

// endTime adds the last number of a time: the smaller parts are zero.
func (p *dateParser) endTime(n int) {
	for p.addTime(n) {
		n = 0
	}
}

// expectsTime reports whether the number can be the next part of a time that
// has begun.
func (p *dateParser) expectsTime(n int) bool {
	switch len(p.time) {
	case 1, 2:
		return n < 60
	case 3:
		return n < 1000
	}
	return false
}

func (p *dateParser) setZone(hours int) {
	p.zone.sign, p.zone.hour, p.zone.minute = 1, hours, 0
	if hours < 0 {
		p.zone.sign, p.zone.hour = -1, -hours
	}
}

func within(n, low, high int) bool { return n >= low && n <= high }

// date puts the parts together.
func (p *dateParser) date(local *time.Location) (time.Time, error) {
	year, month, day, ok := p.calendar()
	if !ok {
		return time.Time{}, errDate
	}
	for len(p.time) < 4 {
		p.time = append(p.time, 0)
	}
	hour, minute, second, ms := p.time[0], p.time[1], p.time[2], p.time[3]
	if p.halfDay != none {
		if !within(hour, 0, 12) {
			return time.Time{}, errDate
		}
		hour = hour%12 + p.halfDay
	}
	midnight := hour == 24 && minute == 0 && second == 0 && ms == 0
	if !midnight && (!within(hour, 0, 23) || !within(minute, 0, 59) || !within(second, 0, 59) || !within(ms, 0, 999)) {
		return time.Time{}, errDate
	}
	if p.zone.sign != 0 {
		offset := uint32(3600*max(p.zone.hour, 0) + 60*max(p.zone.minute, 0)) // it wraps around in V8 too
		if offset > math.MaxInt32 {
			return time.Time{}, errDate
		}
		second -= p.zone.sign * int(offset)
		local = time.UTC
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, local).Add(time.Duration(ms) * time.Millisecond)
	if n := at.UnixMilli(); n > farthest || n < -farthest {
		return time.Time{}, errDate
	}
	return at.UTC(), nil
}

// calendar says which of the numbers is what.
func (p *dateParser) calendar() (year, month, day int, ok bool) {
	if len(p.day) == 0 {
		return 0, 0, 0, false
	}
	for len(p.day) < 3 {
		p.day = append(p.day, 1)
	}
	isDay := within(p.day[0], 1, 31)
	switch {
	case p.named == none && (p.isISO || !isDay):
		year, month, day = p.day[0], p.day[1], p.day[2]
	case p.named == none:
		month, day, year = p.day[0], p.day[1], p.day[2]
	case isDay:
		month, day, year = p.named, p.day[0], p.day[1]
	default:
		month, year, day = p.named, p.day[0], p.day[1]
	}
	if !p.isISO {
		switch {
		case within(year, 0, 49):
			year += 2000
		case within(year, 50, 99):
			year += 1900
		}
	}
	return year, month, day, within(month, 1, 12) && within(day, 1, 31)
}
