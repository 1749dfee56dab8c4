package rollup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/store"
)

// The encoding of a chunk: a byte for the version, and then, for each point that
// says anything, in the order of time:
//
//	number of points left out before it, flags        uvarint, byte
//	held, in milliseconds                             uvarint, unless flagFull or flagUnheld
//	rows                                              uvarint, with flagRows
//	text: length, bytes                               unless flagSame
//	number: the value                                 unless flagSame
//	numbers: sum, min, max, last, digest with length  with flagSpread
//
// Most points of a field that seldom changes take two bytes.
const codecVersion = 1

// The flags of a point.
const (
	flagFull   = 1 << iota // held for the whole step
	flagUnheld             // held not at all: there is nothing but rows
	flagRows               // there are rows
	flagText               // the values are texts
	flagSame               // the one value is the last one of the point before
	flagSpread             // there are several values
)

// maxText bounds the text of a point.
const maxText = 100

// point is the Stat of one step of a tier.
type point struct {
	at int64 // when the step begins, in milliseconds
	Stat
}

// encodeChunk returns the points of one chunk, which begins at start.
func encodeChunk(tier store.Tier, start int64, points []point) []byte {
	step := tier.Step().Milliseconds()
	b := []byte{codecVersion}
	var before point
	next := start
	for i := range points {
		p := &points[i]
		b = binary.AppendUvarint(b, uint64((p.at-next)/step))
		b = p.append(b, &before.Stat, float64(step))
		before, next = *p, p.at+step
	}
	return b
}

func (s *Stat) append(b []byte, before *Stat, step float64) []byte {
	flags := s.flags(before, step)
	b = append(b, flags)
	if flags&(flagFull|flagUnheld) == 0 {
		b = binary.AppendUvarint(b, uint64(s.Held))
	}
	if flags&flagRows != 0 {
		b = binary.AppendUvarint(b, uint64(s.Rows))
	}
	switch {
	case flags&flagSame != 0:
		return b
	case s.IsText:
		return append(binary.AppendUvarint(b, uint64(len(s.Text))), s.Text...)
	case flags&flagSpread == 0:
		return appendNumber(b, s.Last)
	}
	for _, v := range [...]float64{s.Sum, s.Min, s.Max, s.Last} {
		b = appendNumber(b, v)
	}
	coded := s.coded
	if coded == nil && s.spread != nil {
		coded, _ = s.spread.AppendBinary(nil)
	}
	return append(binary.AppendUvarint(b, uint64(len(coded))), coded...)
}

func (s *Stat) flags(before *Stat, step float64) (flags byte) {
	switch s.Held {
	case step:
		flags |= flagFull
	case 0:
		flags |= flagUnheld
	}
	if s.Rows > 0 {
		flags |= flagRows
	}
	same := s.IsText == before.IsText && !before.empty()
	switch {
	case s.IsText:
		flags |= flagText
		same = same && s.Text == before.Text
	case s.Held > 0 && s.Min != s.Max:
		return flags | flagSpread
	default:
		same = same && math.Float64bits(s.Last) == math.Float64bits(before.Last)
	}
	if same {
		flags |= flagSame
	}
	return flags
}

// decoder reads the points of a chunk one after the other. The digests stay in
// the chunk's bytes.
type decoder struct {
	rest []byte
	next int64
	end  int64
	step int64
	point
	err error
}

var errDamaged = errors.New("a damaged chunk")

// damagedData stands for data that is not what was stored: it ends within a point.
func damagedData() []byte { return []byte{codecVersion, 0x80} }

func decode(c store.Chunk) *decoder {
	d := &decoder{}
	d.open(c)
	return d
}

func (d *decoder) open(c store.Chunk) {
	start := c.Start.UnixMilli()
	if c.Damaged {
		c.Data = damagedData()
	}
	*d = decoder{rest: c.Data, next: start, end: start + c.Tier.Span().Milliseconds(), step: c.Tier.Step().Milliseconds()}
	if len(d.rest) == 0 {
		return
	}
	if d.rest[0] != codecVersion {
		d.err = fmt.Errorf("a chunk of version %d: this program knows %d", d.rest[0], codecVersion)
		return
	}
	d.rest = d.rest[1:]
}

// scan moves to the next point and reports whether there is one; err tells why
// not.
func (d *decoder) scan() bool {
	if d.err != nil || len(d.rest) == 0 {
		return false
	}
	skip := d.uvarint()
	if d.err == nil && skip >= uint64((d.end-d.next+d.step-1)/d.step) {
		d.fail("a point behind its end")
	}
	if d.err != nil || len(d.rest) == 0 {
		d.fail("it ends within a point")
		return false
	}
	flags := d.rest[0]
	d.rest = d.rest[1:]
	d.at = d.next + int64(skip)*d.step
	d.next = d.at + d.step
	d.read(flags)
	return d.err == nil
}

func (d *decoder) read(flags byte) {
	s := &d.Stat
	like := !s.empty() && s.IsText == (flags&flagText != 0) // what flagSame needs
	s.IsText, s.Held, s.Rows = flags&flagText != 0, 0, 0
	if s.coded != nil {
		s.coded = nil
	}
	switch {
	case flags&flagFull != 0:
		s.Held = float64(d.step)
	case flags&flagUnheld == 0:
		s.Held = d.whole()
	}
	if s.Held > float64(d.step) {
		d.fail("a value that held for longer than its point")
	}
	if flags&flagRows != 0 {
		s.Rows = d.whole()
	}
	switch {
	case flags&flagSame != 0:
		if !like {
			d.fail("a point like the one before, which is not there")
		}
	case s.IsText:
		s.Text = string(d.text())
	case flags&flagSpread != 0:
		d.readSpread()
		return
	default:
		s.Last = d.number()
	}
	one := s.Last
	if s.IsText || s.Held == 0 {
		one = 0
	}
	s.Min, s.Max, s.Sum = one, one, one*s.Held
	if s.empty() {
		d.fail("a point that says nothing")
	}
}

func (d *decoder) readSpread() {
	s := &d.Stat
	s.Sum, s.Min, s.Max, s.Last = d.sum(), d.number(), d.number(), d.number()
	s.coded = d.bytes()
	if s.Held == 0 || s.IsText || !(s.Min < s.Max) || s.Last < s.Min || s.Last > s.Max {
		d.fail("values out of order")
	}
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", errDamaged, why)
	}
	d.rest = nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("it ends within a number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// whole reads a number of things, as a float: within what one holds exactly.
func (d *decoder) whole() float64 {
	v := d.uvarint()
	if v == 0 || v > 1<<53 {
		d.fail("a count out of range")
		return 0
	}
	return float64(v)
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail("it ends within a text or digest")
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) text() []byte {
	b := d.bytes()
	if len(b) > maxText || !utf8.Valid(b) {
		d.fail("a text that is none")
	}
	return b
}

// number reads a value, which is finite.
func (d *decoder) number() float64 {
	v := d.sum()
	if math.IsInf(v, 0) || math.IsNaN(v) {
		d.fail("a value that is no number")
		return 0
	}
	return v
}

// The spellings of a number: a whole number, thousandths, or its eight bytes.
const (
	spelledWhole = iota
	spelledThousandths
	spelledBytes
	spellings
)

// appendNumber spells most measured values, which have few digits, in two to four
// bytes.
func appendNumber(b []byte, v float64) []byte {
	const most = 1 << 50
	for kind, scale := range [...]float64{1, 1000} {
		n := math.Round(v * scale)
		if !(n > -most && n < most) {
			continue
		}
		if i := int64(n); math.Float64bits(float64(i)/scale) == math.Float64bits(v) {
			return binary.AppendUvarint(b, uint64(i<<1^i>>63)*spellings+uint64(kind))
		}
	}
	return binary.LittleEndian.AppendUint64(append(b, spelledBytes), math.Float64bits(v))
}

// sum reads any number: a sum of values may be beyond what a float holds.
func (d *decoder) sum() float64 {
	v := d.uvarint()
	n := float64(int64(v/spellings>>1) ^ -int64(v/spellings&1))
	switch v % spellings {
	case spelledWhole:
		return n
	case spelledThousandths:
		return n / 1000
	}
	if v != spelledBytes || len(d.rest) < 8 {
		d.fail("it ends within a number")
		return 0
	}
	bits := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return math.Float64frombits(bits)
}

// floor returns the begin of the step of a tier, or of another length, in which a
// time lies.
func floor(t int64, length time.Duration) int64 {
	n := length.Milliseconds()
	return t - ((t%n)+n)%n
}
