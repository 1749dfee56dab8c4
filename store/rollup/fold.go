package rollup

// folder turns rows, oldest first, into the stats of steps of time.
type folder struct {
	fields *extractor
	watch  *watch
	origin int64 // where a step begins; all times are in milliseconds
	step   int64
	now    int64 // the time that is folded
	// emit takes the stats of a step by the places of the fields; they are valid
	// during the call only. Steps about which there is nothing to say are left out.
	emit func(at int64, stats []Stat) error

	current        []value // of the row that holds
	since          int64   // when that row was taken
	numbers, texts float64 // for how long it was watched and is not in the stats yet
	stats          []Stat
	said           bool // the stats say something
}

// held are values that hold, and since when.
type held struct {
	values []value
	since  int64
}

// holds sets the values that hold from now on, without a row.
func (f *folder) holds(h held) {
	f.current, f.since = append(f.current[:0], h.values...), h.since
}

// row takes the next row. One that seems to lie in the past counts from now on.
func (f *folder) row(at int64, data []byte) error {
	if err := f.advance(at); err != nil {
		return err
	}
	f.settle()
	f.holds(held{f.fields.read(data), max(at, f.now)})
	f.room()
	for i, v := range f.current {
		if v.kind != absent {
			f.stats[i].row(v)
			f.said = true
		}
	}
	return nil
}

// advance lets time pass up to a time.
func (f *folder) advance(to int64) error {
	for f.now < to {
		begin := f.begin(f.now)
		if !f.said && f.numbers == 0 && f.texts == 0 && len(f.current) == 0 {
			if begin = f.begin(to); begin > f.now { // nothing to say until then
				f.now = begin
				continue
			}
		}
		end := begin + f.step
		numbers, texts := f.watch.between(f.now, min(end, to), f.since)
		f.numbers, f.texts = f.numbers+numbers, f.texts+texts
		if f.now = min(end, to); f.now == end {
			if err := f.flush(begin); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin returns when the step of a time begins.
func (f *folder) begin(t int64) int64 {
	n := (t - f.origin) / f.step
	if t < f.origin && (t-f.origin)%f.step != 0 {
		n--
	}
	return f.origin + n*f.step
}

// finish lets time pass up to the end of what is asked for, which may lie within
// a step.
func (f *folder) finish(end int64) error {
	if err := f.advance(end); err != nil {
		return err
	}
	return f.flush(f.begin(end))
}

// settle gives the fields the time for which the row was watched.
func (f *folder) settle() {
	if f.numbers == 0 && f.texts == 0 {
		return
	}
	f.room()
	for i := range f.current {
		held := f.numbers
		switch f.current[i].kind {
		case absent:
			continue
		case textual:
			held = f.texts
		}
		f.stats[i].hold(f.current[i], held)
		f.said = f.said || held > 0
	}
	f.numbers, f.texts = 0, 0
}

func (f *folder) room() {
	for len(f.stats) < len(f.current) {
		f.stats = append(f.stats, Stat{})
	}
}

func (f *folder) flush(at int64) error {
	f.settle()
	if !f.said {
		return nil
	}
	err := f.emit(at, f.stats)
	for i := range f.stats {
		f.stats[i].reset()
	}
	f.said = false
	return err
}
