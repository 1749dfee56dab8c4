package api

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/valyala/fastjson"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/fieldpath"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

const (
	// around is how long before and after an incident changes are looked for.
	around = 15 * time.Minute
	// The bounds of what is looked at, and told.
	maxChangeRows = 500
	maxChanges    = 200
	maxLeaves     = 5000
	maxLeafPath   = 500
	maxLeafValue  = 1000
)

// leaves are the fields of a value with their texts, in order.
type leaves struct {
	paths  []string
	values map[string]string
}

// change is a field that changed.
type change struct {
	at            time.Time
	source, field string
	before, after string // JSON texts; empty: the field was not there
}

// changes are the fields that changed, oldest first.
type changes struct {
	all []change
	cut bool // there are more
}

// errEnough ends a Scan.
var errEnough = errors.New("enough has been read")

// changesOf compares the rows of the time around an incident, each with the one
// before it.
func (a *API) changesOf(ctx context.Context, one *alert.Incident, of scope) (found changes, err error) {
	if one.Region != "" {
		of.source = one.Region
	}
	q := store.Query{API: of.api, Source: of.source, From: one.PendingAt.Add(-around), Limit: maxChangeRows + 1, OldestFirst: true}
	if one.EndedAt != nil {
		q.To = one.EndedAt.Add(around)
	}
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	err = a.question(ctx, func(ctx context.Context) error {
		values := make(map[string]leaves)
		for _, region := range of.regions() {
			before := store.Query{API: of.api, Source: region, To: q.From.Add(-time.Millisecond), Limit: 1}
			if err := a.History.Scan(ctx, before, func(m store.Metric) error {
				values[region], _ = leavesOf(m.Data)
				return nil
			}); err != nil {
				return err
			}
		}
		rows := 0
		err := a.History.Scan(ctx, q, func(m store.Metric) error {
			if rows++; rows > maxChangeRows {
				found.cut = true
				return errEnough
			}
			next, whole := leavesOf(m.Data)
			found.cut = found.cut || !whole
			if before, known := values[m.Source]; known && !found.compare(m, before, next) {
				return errEnough
			}
			values[m.Source] = next
			return ctx.Err()
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		return err
	})
	return found, err
}

// leavesOf returns the fields of a value, and whether it has no more of them.
func leavesOf(data []byte) (l leaves, whole bool) {
	l.values = make(map[string]string)
	v, err := fastjson.ParseBytes(data)
	if err != nil {
		return l, false
	}
	return l, l.add(v, nil, 0)
}

func (l *leaves) add(v *fastjson.Value, path []byte, depth int) (whole bool) {
	if v.Type() != fastjson.TypeObject || depth > maxDepth {
		if len(l.paths) == maxLeaves || len(path) > maxLeafPath {
			return false
		}
		name := string(path)
		if _, twice := l.values[name]; !twice {
			l.paths = append(l.paths, name)
		}
		l.values[name] = string(v.MarshalTo(nil))
		return true
	}
	whole = true
	members, _ := v.Object()
	members.Visit(func(name []byte, member *fastjson.Value) {
		whole = l.add(member, fieldpath.Append(path[:len(path):len(path)], name), depth+1) && whole
	})
	return whole
}

// compare notes what differs, and reports whether there is room for more.
func (c *changes) compare(m store.Metric, before, after leaves) bool {
	note := func(field string) bool {
		if c.cut = c.cut || len(c.all) == maxChanges; len(c.all) == maxChanges {
			return false
		}
		c.all = append(c.all, change{m.CreatedAt, m.Source, field, before.values[field], after.values[field]})
		return true
	}
	for _, field := range after.paths {
		if before.values[field] != after.values[field] && !note(field) {
			return false
		}
	}
	for _, field := range before.paths {
		if _, there := after.values[field]; !there && !note(field) {
			return false
		}
	}
	return true
}

// append appends the changes to an object that is not ended yet, and ends it.
func (c *changes) append(b []byte) []byte {
	b = append(b, `,"changes":[`...)
	for i, one := range c.all {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsjson.AppendTime(append(b, `{"at":`...), one.at)
		b = jsjson.AppendString(append(b, `,"source":`...), one.source)
		b = jsjson.AppendString(append(b, `,"field":`...), one.field)
		if len(one.before) > maxLeafValue || len(one.after) > maxLeafValue {
			b = append(b, `,"long":true}`...)
			continue
		}
		if one.before != "" {
			b = append(append(b, `,"from":`...), jsjson.Valid([]byte(one.before))...)
		}
		if one.after != "" {
			b = append(append(b, `,"to":`...), jsjson.Valid([]byte(one.after))...)
		}
		b = append(b, '}')
	}
	b = append(b, `],"moreChanges":`...)
	return append(strconv.AppendBool(b, c.cut), '}')
}
