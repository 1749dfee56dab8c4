package rollup

import (
	"math"

	"github.com/devops-insights/devops-insights/store/digest"
)

// Stat tells how one field was in a span of time. The field's values are numbers
// or, of the field that tells the state, texts: of a span that has both the later
// kind counts.
type Stat struct {
	// IsText tells that the values are texts, of which Text is the last one.
	IsText bool
	Text   string
	// Held is for how many milliseconds a value was watched. Without any there
	// are no Sum, Min and Max.
	Held float64
	// Sum is that of each value times the milliseconds for which it was watched.
	Sum float64
	// Min, Max and Last are those of the values that were watched. Where none was
	// Last is that of the last row.
	Min, Max, Last float64
	// Rows is the number of rows that have the field.
	Rows float64

	spread *digest.Digest // holds nothing while Min and Max are equal; may be nil then
	coded  []byte         // a digest in bytes, instead of spread
}

// empty reports whether the stat says nothing.
func (s *Stat) empty() bool { return s.Held == 0 && s.Rows == 0 }

// reset empties the stat and keeps the memory of its digest.
func (s *Stat) reset() {
	spread := s.spread
	if spread != nil {
		spread.Reset()
	}
	*s = Stat{spread: spread}
}

// become makes the stat one of numbers or of texts; what it knew of the other
// kind is gone, except for the number of rows.
func (s *Stat) become(text bool) {
	if s.IsText == text {
		return
	}
	rows := s.Rows
	s.reset()
	s.IsText, s.Rows = text, rows
}

// row counts a row.
func (s *Stat) row(v value) {
	s.become(v.kind == textual)
	s.Rows++
	if s.Held == 0 {
		s.Last, s.Text = v.number, v.text
	}
}

// hold counts that a value was watched for some milliseconds.
func (s *Stat) hold(v value, held float64) {
	if held == 0 {
		return
	}
	s.become(v.kind == textual)
	if v.kind == textual {
		s.Held, s.Text = s.Held+held, v.text
		return
	}
	s.distribute(v.number, v.number, func(d *digest.Digest) error {
		d.Add(v.number, held)
		return nil
	})
	s.bound(v.number, v.number)
	s.Held, s.Sum, s.Last = s.Held+held, s.Sum+v.number*held, v.number
}

// distribute adds to the digest what is watched between least and most, unless
// that is the one value that there is. It is called before bound and Held count it.
func (s *Stat) distribute(least, most float64, add func(*digest.Digest) error) error {
	if least == most && (s.Held == 0 || s.Min == least && s.Max == most) {
		return nil
	}
	if s.spread == nil {
		s.spread = digest.New()
	}
	if s.coded != nil {
		if err := s.spread.MergeBinary(s.coded); err != nil {
			return err
		}
		s.coded = nil
	} else if s.Held > 0 && s.Min == s.Max {
		s.spread.Add(s.Min, s.Held)
	}
	return add(s.spread)
}

func (s *Stat) bound(least, most float64) {
	if s.Held == 0 {
		s.Min, s.Max = least, most
		return
	}
	s.Min, s.Max = min(s.Min, least), max(s.Max, most)
}

// merge adds what a later span tells. share is the part of it that is meant,
// where a span lies in two others. Without digests nothing is known of the
// distribution afterwards.
func (s *Stat) merge(o *Stat, share float64, digests bool) error {
	if o.empty() {
		return nil
	}
	s.become(o.IsText)
	s.Rows += o.Rows * share
	if o.Held == 0 {
		if s.Held == 0 {
			s.Last, s.Text = o.Last, o.Text
		}
		return nil
	}
	if !s.IsText {
		if digests {
			if err := s.distribute(o.Min, o.Max, func(d *digest.Digest) error { return o.addTo(d, share) }); err != nil {
				return err
			}
		}
		s.bound(o.Min, o.Max)
		s.Sum += o.Sum * share
	}
	s.Held, s.Last, s.Text = s.Held+o.Held*share, o.Last, o.Text
	return nil
}

// addTo adds the distribution of the stat to a digest.
func (s *Stat) addTo(d *digest.Digest, share float64) error {
	switch {
	case s.Min == s.Max:
		d.Add(s.Min, s.Held*share)
		return nil
	case share != 1:
		part := digest.New()
		if err := s.addTo(part, 1); err != nil {
			return err
		}
		part.Scale(share)
		d.Merge(part)
		return nil
	case s.coded != nil:
		return d.MergeBinary(s.coded)
	case s.spread != nil:
		d.Merge(s.spread)
	}
	return nil
}

// Avg returns the average weighted by time; NaN where nothing was watched.
func (s *Stat) Avg() float64 {
	if s.Held == 0 || s.IsText {
		return math.NaN()
	}
	avg := s.Sum / s.Held
	if math.IsNaN(avg) { // sums beyond what a float can hold, of both signs
		avg = s.Min/2 + s.Max/2
	}
	return max(s.Min, min(avg, s.Max)) // rounding may lead out
}

// Quantile returns the value below or at which the field was for the share q of
// the time that was watched, within digest.Accuracy; NaN where nothing was.
func (s *Stat) Quantile(q float64) float64 {
	switch {
	case s.Held == 0 || s.IsText:
		return math.NaN()
	case s.Min == s.Max:
		return s.Min
	}
	d := s.spread
	if s.coded != nil {
		d = digest.New()
		if err := d.MergeBinary(s.coded); err != nil {
			return math.NaN()
		}
	}
	if d == nil {
		return math.NaN()
	}
	return max(s.Min, min(d.Quantile(q), s.Max))
}
