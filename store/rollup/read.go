package rollup

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// Read answers a SeriesQuery. What the asker did wrong is a *QueryError. now ends
// what is known. It holds few rows and chunks in memory at a time.
func Read(ctx context.Context, r Reader, q SeriesQuery, now time.Time) (Series, error) {
	n, err := q.check()
	if err != nil {
		return Series{}, err
	}
	mark, err := r.Mark(ctx, q.API, q.Source)
	if err != nil {
		return Series{}, err
	}
	s := &series{
		region: region{r, q.API, q.Source}, q: q, now: now.UnixMilli(), mark: mark.To.UnixMilli(),
		from: q.From.UnixMilli(), step: q.Step.Milliseconds(), points: make([]Point, n),
	}
	for i := range s.points {
		s.points[i].At = timeOf(s.from + int64(i)*s.step)
	}
	s.to = s.from + int64(n)*s.step
	_, s.digests = q.Agg.quantile()
	tier, err := s.read(ctx)
	if err != nil {
		return Series{}, err
	}
	if err := s.wrongField(mark.Fields); err != nil {
		return Series{}, err
	}
	return Series{Tier: tier, From: q.From, To: q.To, Step: q.Step, Points: s.points}, nil
}

// series is an answer that is being made, one step after the other. All times are
// in milliseconds.
type series struct {
	region
	q              SeriesQuery
	from, to, step int64
	now, mark      int64
	digests        bool
	points         []Point

	at             int // the step that is being made
	sum            Stat
	rows           int64  // where rows begin, if they are needed for the ends of steps
	watch          *watch // of the range, once an end of a step was made of rows
	added          int    // stats
	numbers, texts bool   // what was found
}

// read returns the tier that it took.
func (s *series) read(ctx context.Context) (string, error) {
	has, err := s.reach(ctx)
	if err != nil {
		return "", err
	}
	tiers, done := s.choose(has), s.from
	for i, tier := range tiers {
		end := min(floor(s.mark, tier.Step()), s.to)
		if end <= done {
			continue
		}
		if err := s.tier(ctx, tiers[i:], done, end); err != nil {
			return "", err
		}
		done = end
	}
	if err := s.fold(ctx, done, s.to); err != nil {
		return "", err
	}
	s.close()
	return s.name(has, tiers), nil
}

// name returns the tier that the step asks for, of those that have the range, or
// else the first one that was read. What the rows tell of the ends of its steps is
// no other tier.
func (s *series) name(has reach, read []store.Tier) string {
	all := store.Tiers()
	for i := range all {
		tier := all[len(all)-1-i]
		if tier.Step().Milliseconds() <= s.step && has[tier] && floor(s.mark, tier.Step()) > s.from {
			return string(tier)
		}
	}
	for _, tier := range read {
		if floor(s.mark, tier.Step()) > s.from {
			return string(tier)
		}
	}
	return TierRaw
}

// The bounds of what is made of rows for steps that a minute does not divide.
const (
	// longestOfRows is how long a series may be of which all is.
	longestOfRows = 24 * time.Hour
	// mostEnds is how many steps there may be of which the ends are.
	mostEnds = 300
)

// tier adds the points of the first tier in a time. Of a point that lies in several
// steps those of the next finer tier are taken, or the rows, where they still are;
// else it is shared out.
func (s *series) tier(ctx context.Context, tiers []store.Tier, from, to int64) error {
	tier, step := tiers[0], tiers[0].Step().Milliseconds()
	if s.divides(step) || len(tiers) == 1 && (len(s.points) > mostEnds || s.rows >= to) {
		return s.region.points(ctx, s.q.Field, tier, from, to, func(p *point) error { return s.add(p.at, step, &p.Stat) })
	}
	const batch = 8 // spans: no further question is asked while a store answers
	var points []point
	var digests []byte // of the points, which are valid during the call only
	for at := floor(from, batch*tier.Span()); at < to; at += batch * tier.Span().Milliseconds() {
		points, digests = points[:0], digests[:0]
		err := s.region.points(ctx, s.q.Field, tier, max(from, at), min(to, at+batch*tier.Span().Milliseconds()), func(p *point) error {
			if p.at < at {
				return nil
			}
			c, begin := *p, len(digests)
			if c.coded = nil; s.digests && p.coded != nil {
				digests = append(digests, p.coded...)
				c.coded = digests[begin:len(digests):len(digests)]
			}
			points = append(points, c)
			return nil
		})
		if err != nil {
			return err
		}
		for i := range points {
			if err := s.addOrRefine(ctx, tiers[1:], &points[i], step); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *series) addOrRefine(ctx context.Context, finer []store.Tier, p *point, length int64) error {
	if p.at >= s.from && p.at+length <= s.to && (p.at-s.from)/s.step == (p.at+length-1-s.from)/s.step {
		return s.add(p.at, length, &p.Stat)
	}
	if len(finer) == 0 {
		if p.at < s.rows {
			return s.add(p.at, length, &p.Stat)
		}
		return s.foldEnd(ctx, p.at, p.at+length)
	}
	before := s.added
	if err := s.tier(ctx, finer, p.at, p.at+length); err != nil || s.added > before {
		return err
	}
	return s.add(p.at, length, &p.Stat)
}

// divides reports whether each point of a tier lies in one step.
func (s *series) divides(step int64) bool { return s.step%step == 0 && s.from%step == 0 }

// foldEnd adds what the rows of a time tell in which a step ends. What was watched
// is asked for once for all of them.
func (s *series) foldEnd(ctx context.Context, from, to int64) error {
	if s.watch == nil {
		w, err := watchOf(ctx, s, s.api, s.source, from, min(s.to, s.now))
		if err != nil {
			return err
		}
		s.watch = w
	}
	return s.foldWatched(ctx, s.watch, from, to)
}

// fold adds what the rows of a time tell.
func (s *series) fold(ctx context.Context, from, to int64) error {
	if from >= min(to, s.to, s.now) {
		return nil
	}
	w, err := watchOf(ctx, s, s.api, s.source, from, min(to, s.to, s.now))
	if err != nil {
		return err
	}
	return s.foldWatched(ctx, w, from, to)
}

func (s *series) foldWatched(ctx context.Context, w *watch, from, to int64) error {
	to = min(to, s.to, s.now)
	if from >= to {
		return nil
	}
	fields := newExtractor(FieldOptions{State: s.q.Field, Max: 1}, nil)
	fields.only(s.q.Field)
	f := folder{fields: fields, watch: w, origin: s.from, step: s.step, now: from, emit: func(at int64, stats []Stat) error {
		return s.add(at, s.step, &stats[0])
	}}
	h, err := s.holding(ctx, fields, from)
	if err != nil {
		return err
	}
	f.holds(h)
	err = s.scan(ctx, from, to, func(m store.Metric) error { return f.row(m.CreatedAt.UnixMilli(), m.Data) })
	if err != nil {
		return err
	}
	return f.finish(to)
}

// add counts a stat of a time, which may lie in several steps. Each call is for a
// later time than the one before.
func (s *series) add(at, length int64, o *Stat) error {
	s.added++
	s.texts, s.numbers = s.texts || o.IsText, s.numbers || !o.IsText
	for from, end := max(at, s.from), min(at+length, s.to); from < end; {
		step := int((from - s.from) / s.step)
		if step != s.at {
			s.close()
			s.at = step
		}
		to := min(end, s.from+int64(step+1)*s.step)
		share := 1.0
		if to-from < length {
			share = float64(to-from) / float64(length)
		}
		if err := s.sum.merge(o, share, s.digests); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// close ends the step that is being made.
func (s *series) close() {
	p := &s.points[s.at]
	if v, ok := s.q.Agg.of(&s.sum); ok && !math.IsNaN(v) {
		p.Value, p.OK = v, true
	}
	s.sum.reset()
}

// wrongField returns an error where the field is none that a series can be of.
func (s *series) wrongField(known []string) error {
	switch {
	case s.texts && !s.numbers && s.q.Agg != AggCount:
		return &QueryError{"field", fmt.Sprintf("%s is a text: of texts there is only agg %s", s.q.Field, AggCount)}
	case s.texts || s.numbers || len(known) == 0 || slices.Contains(known, s.q.Field):
		return nil
	}
	const most = 20
	names := strings.Join(known[:min(len(known), most)], ", ")
	if len(known) > most {
		names += " and others"
	}
	return &QueryError{"field", fmt.Sprintf("no value has %.100s; there are %s", s.q.Field, names)}
}

// choose returns the tiers to read, the coarsest first: one after the other tells
// of what the one before does not have yet. None: rows alone.
func (s *series) choose(has reach) []store.Tier {
	all := store.Tiers()
	for _, tier := range s.preferences() {
		if has[tier] {
			tiers := slices.Clone(all[:slices.Index(all, tier)+1])
			slices.Reverse(tiers)
			return tiers
		}
	}
	return nil
}

// preferences returns the tiers in the order in which they fit the steps; the
// empty one stands for the rows.
func (s *series) preferences() (tiers []store.Tier) {
	all := store.Tiers()
	coarse := slices.Clone(all)
	slices.Reverse(coarse)
	some := func(from []store.Tier, fits func(step int64) bool) {
		for _, t := range from {
			if step := t.Step().Milliseconds(); fits(step) && !slices.Contains(tiers, t) {
				tiers = append(tiers, t)
			}
		}
	}
	minute := time.Minute.Milliseconds()
	if !s.divides(minute) && s.step < 4*minute && s.to-s.from <= longestOfRows.Milliseconds() {
		tiers = append(tiers, "")
	}
	// Where a tier does not divide the steps a finer one is asked for each of
	// their ends: that pays where they are not as many as its points.
	some(coarse, func(step int64) bool { return s.divides(step) || step <= s.step/4 })
	some(coarse, func(step int64) bool { return step <= s.step })
	if s.step < minute && !slices.Contains(tiers, "") {
		tiers = append(tiers, "")
	}
	some(all, func(int64) bool { return true })
	return tiers
}

// reach tells which tiers go back as far as the range that is asked for does, or
// as far as any; the empty tier stands for the rows.
type reach map[store.Tier]bool

// reach asks each tier whether it has what the next coarser one was made of.
func (s *series) reach(ctx context.Context) (reach, error) {
	tiers := store.Tiers()
	last := len(tiers) - 1
	has := reach{tiers[last]: true}
	for i := last - 1; i >= 0; i-- {
		fine, coarse := tiers[i], tiers[i+1]
		from := floor(s.from, coarse.Step())
		has[fine] = has[coarse]
		at, ok, err := s.firstIn(ctx, coarse, from)
		if err != nil {
			return nil, err
		}
		if ok && has[fine] {
			_, has[fine], err = s.first(ctx, s.q.Field, fine, from, at+coarse.Step().Milliseconds())
		}
		if err != nil {
			return nil, err
		}
	}
	return has, s.reachOfRows(ctx, has)
}

// reachOfRows finds out where rows begin, if they are needed.
func (s *series) reachOfRows(ctx context.Context, has reach) error {
	s.rows = math.MaxInt64
	if s.divides(time.Minute.Milliseconds()) {
		return nil
	}
	row, ok, err := s.edge(ctx, time.Time{}, true)
	if err != nil || !ok {
		return err
	}
	s.rows = floor(row.CreatedAt.UnixMilli(), time.Minute)
	at, ok, err := s.firstIn(ctx, store.TierMinute, floor(s.from, time.Minute))
	has[""] = has[store.TierMinute] && (!ok || s.rows <= at)
	return err
}

// firstIn returns the oldest point of a tier from a time on.
func (s *series) firstIn(ctx context.Context, tier store.Tier, from int64) (at int64, ok bool, err error) {
	return s.first(ctx, s.q.Field, tier, from, min(floor(s.mark, tier.Step()), s.to))
}
