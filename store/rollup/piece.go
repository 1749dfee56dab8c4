package rollup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// piece is a time of up to pieceSpan that is being rolled up: its minutes from
// rows, the hours that end in it from their minutes, and the day from its hours
// when it is over. What the store holds of the same chunks but another time stays.
//
// An hour or a day that the store holds is never replaced by one of fewer rows:
// the rows of which it was made are gone by now.
type piece struct {
	region
	fields   *extractor
	from, to int64 // milliseconds
	folder   folder
	old      map[place][]byte // what the store holds

	hour    int64     // the one that is being rolled up
	minutes [][]point // its points, by the places of the fields
	hours   [][]point // the hours that ended, likewise
	chunks  []store.Chunk
	damaged error // what was found to be
	idle    bool  // there was nothing to say
}

// place is that of a chunk within a region.
type place struct {
	field string
	tier  store.Tier
	start int64
}

func (p *piece) run(ctx context.Context, h held) error {
	w, err := watchOf(ctx, p, p.api, p.source, p.from, p.to)
	if err != nil {
		return err
	}
	if err := p.load(ctx); err != nil {
		return err
	}
	p.idle = true
	p.folder = folder{fields: p.fields, watch: w, step: time.Minute.Milliseconds(), now: p.from, emit: p.minute}
	p.folder.holds(h)
	err = p.scan(ctx, p.from, p.to, func(m store.Metric) error {
		p.idle = false
		at := m.CreatedAt.UnixMilli()
		if err := p.advance(at); err != nil {
			return err
		}
		return p.folder.row(at, m.Data)
	})
	if err != nil {
		return err
	}
	if err := p.advance(p.to); err != nil {
		return err
	}
	if p.hour < p.to { // it goes on in the next piece
		if err := p.folder.finish(p.to); err != nil {
			return err
		}
		if err := p.endHour(); err != nil {
			return err
		}
	}
	return p.endDay()
}

// advance ends the hours that are over at a time.
func (p *piece) advance(at int64) error {
	for end := p.hour + time.Hour.Milliseconds(); end <= at; end += time.Hour.Milliseconds() {
		if err := p.folder.advance(end); err != nil {
			return err
		}
		if err := p.endHour(); err != nil {
			return err
		}
		p.hour = end
		for i := range p.minutes {
			p.minutes[i] = p.minutes[i][:0]
		}
	}
	return nil
}

// load reads the chunks that may be replaced.
func (p *piece) load(ctx context.Context) error {
	for _, field := range p.fields.paths {
		for _, tier := range store.Tiers() {
			end := floor(p.to, tier.Step())
			if tier == store.TierMinute {
				end = p.to
			}
			if end <= floor(p.from, tier.Step()) {
				continue // nothing of the tier ends in the piece
			}
			q := store.ChunkQuery{API: p.api, Source: p.source, Field: field, Tier: tier,
				From: timeOf(floor(p.from, tier.Step())), To: timeOf(end)}
			err := p.ScanChunks(ctx, q, func(c store.Chunk) error {
				data := bytes.Clone(c.Data)
				if c.Damaged {
					data = damagedData()
				}
				p.old[place{field, tier, c.Start.UnixMilli()}] = data
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// stored calls each for the points of a chunk as the store holds it. What is
// damaged is left out, and made again as far as rows are there. A chunk of a newer
// program is an error: it is not to be replaced.
func (p *piece) stored(at place, each func(*point)) error {
	d := decode(store.Chunk{Tier: at.tier, Start: timeOf(at.start), Data: p.old[at]})
	for d.scan() {
		each(&d.point)
	}
	if errors.Is(d.err, errDamaged) {
		p.damaged = cmp.Or(p.damaged, fmt.Errorf("%s of %s at %s: %w", at.field, at.tier, timeOf(at.start).Format(time.RFC3339), d.err))
		return nil
	}
	return d.err
}

// minute takes a minute from the folder.
func (p *piece) minute(at int64, stats []Stat) error {
	p.idle = false
	p.minutes = grown(p.minutes, len(stats))
	for i := range stats {
		if stats[i].empty() {
			continue
		}
		m := point{at: at, Stat: stats[i]}
		if m.spread != nil && m.Held > 0 && m.Min != m.Max {
			m.coded, _ = m.spread.AppendBinary(nil)
		}
		m.spread = nil // the folder uses it again
		p.minutes[i] = append(p.minutes[i], m)
	}
	return nil
}

func grown(list [][]point, n int) [][]point {
	for len(list) < n {
		list = append(list, nil)
	}
	return list
}

// endHour makes the chunks of the minutes of an hour, and its own points.
func (p *piece) endHour() error {
	n := len(p.fields.paths)
	p.minutes, p.hours = grown(p.minutes, n), grown(p.hours, n)
	merged := make([][]byte, n)
	var had, has float64
	over := p.hour+time.Hour.Milliseconds() <= p.to
	for i, field := range p.fields.paths {
		points, rows, err := p.mergeMinutes(field, p.minutes[i])
		if err != nil {
			return err
		}
		if over {
			of, err := p.rowsOf(place{field, store.TierHour, floor(p.hour, 24*time.Hour)}, p.hour)
			if err != nil {
				return err
			}
			rows = max(rows, of)
		}
		had = max(had, rows)
		has = max(has, rowsIn(points))
		if len(points) > 0 {
			merged[i] = encodeChunk(store.TierMinute, p.hour, points)
		}
	}
	kept := had > has
	if kept {
		if err := p.goOnFromStored(); err != nil {
			return err
		}
	}
	for i, field := range p.fields.paths {
		at := place{field, store.TierMinute, p.hour}
		if kept {
			merged[i] = p.old[at]
		} else {
			p.put(at, merged[i])
		}
		if err := p.addHour(i, merged[i], over, kept); err != nil {
			return err
		}
	}
	return nil
}

// mergeMinutes puts the minutes of a field that were folded among those of the
// hour that the store holds, and returns how many rows the latter had.
func (p *piece) mergeMinutes(field string, folded []point) (points []point, rows float64, err error) {
	var after []point
	err = p.stored(place{field, store.TierMinute, p.hour}, func(m *point) {
		rows += m.Rows
		switch {
		case m.at < p.from:
			points = append(points, *m)
		case m.at >= p.to:
			after = append(after, *m)
		}
	})
	return append(append(points, folded...), after...), rows, err
}

// rowsOf returns the rows of one point that the store holds.
func (p *piece) rowsOf(at place, begin int64) (rows float64, err error) {
	err = p.stored(at, func(m *point) {
		if m.at == begin {
			rows = m.Rows
		}
	})
	return rows, err
}

func rowsIn(points []point) (rows float64) {
	for i := range points {
		rows += points[i].Rows
	}
	return rows
}

// goOnFromStored sets the values that hold after the hour to those that the store
// has of its end, because the rows that are there do not tell them.
func (p *piece) goOnFromStored() error {
	values := make([]value, len(p.fields.paths))
	newest := p.hour - 1
	for i, field := range p.fields.paths {
		err := p.stored(place{field, store.TierMinute, p.hour}, func(m *point) {
			if m.at > newest {
				newest = m.at
				clear(values)
			}
			if m.at == newest {
				values[i] = m.last()
			}
		})
		if err != nil {
			return err
		}
	}
	if newest >= p.hour {
		p.folder.holds(held{values, newest})
	}
	return nil
}

// addHour makes the hour's point of its minutes, as they are in the chunk. Where
// the hour is kept and has a point already that one stays.
func (p *piece) addHour(i int, minutes []byte, over, kept bool) error {
	if !over {
		return nil
	}
	hour := point{at: p.hour}
	if kept {
		there := false
		err := p.stored(place{p.fields.paths[i], store.TierHour, floor(p.hour, 24*time.Hour)}, func(m *point) {
			there = there || m.at == p.hour
		})
		if there || err != nil {
			return err
		}
	}
	d := decode(store.Chunk{Tier: store.TierMinute, Start: timeOf(p.hour), Data: minutes})
	for d.scan() {
		if err := hour.merge(&d.Stat, 1, true); err != nil {
			return err
		}
	}
	p.hours[i] = append(p.hours[i], hour) // also an empty one: it takes the place of what was there
	return d.err
}

// endDay makes the chunks of the hours that ended, and of the day when it is over.
func (p *piece) endDay() error {
	day := floor(p.from, 24*time.Hour)
	over := p.to == day+(24*time.Hour).Milliseconds()
	points := make([]point, len(p.fields.paths))
	var had, has float64
	for i, field := range p.fields.paths {
		at := place{field, store.TierHour, day}
		data := p.old[at]
		if i < len(p.hours) && len(p.hours[i]) > 0 {
			var err error
			if data, err = p.replace(at, p.hours[i]); err != nil {
				return err
			}
			p.put(at, data)
		}
		if !over {
			continue
		}
		points[i].at = day
		d := decode(store.Chunk{Tier: store.TierHour, Start: timeOf(day), Data: data})
		for d.scan() {
			if err := points[i].merge(&d.Stat, 1, true); err != nil {
				return err
			}
		}
		if d.err != nil {
			return d.err
		}
		of, err := p.rowsOf(place{field, store.TierDay, floor(day, store.TierDay.Span())}, day)
		if err != nil {
			return err
		}
		had, has = max(had, of), max(has, points[i].Rows)
	}
	if !over || had > has {
		return nil
	}
	for i, field := range p.fields.paths {
		at := place{field, store.TierDay, floor(day, store.TierDay.Span())}
		data, err := p.replace(at, points[i:i+1])
		if err != nil {
			return err
		}
		p.put(at, data)
	}
	return nil
}

// replace returns a chunk as the store holds it with other points in the places of
// some; an empty one takes a point out.
func (p *piece) replace(at place, points []point) ([]byte, error) {
	var all []point
	add := func(m point) {
		if !m.empty() {
			all = append(all, m)
		}
	}
	err := p.stored(at, func(m *point) {
		for len(points) > 0 && points[0].at < m.at {
			add(points[0])
			points = points[1:]
		}
		if len(points) == 0 || points[0].at != m.at {
			add(*m)
		}
	})
	for _, m := range points {
		add(m)
	}
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return encodeChunk(at.tier, at.start, all), nil
}

// put adds a chunk to those that are stored, unless it is there already.
func (p *piece) put(at place, data []byte) {
	old, there := p.old[at]
	if bytes.Equal(old, data) {
		return
	}
	if len(data) == 0 && there {
		data = []byte{codecVersion} // without a point
	}
	p.chunks = append(p.chunks, store.Chunk{
		API: p.api, Source: p.source, Field: at.field, Tier: at.tier, Start: timeOf(at.start), Data: data,
	})
}
