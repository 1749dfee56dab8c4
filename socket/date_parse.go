package socket

// iso reads a date as ECMAScript writes it. It returns the token at which the
// text is something else, an end where it is not, and false where the text is
// no date at all.
func (p *dateParser) iso() (token, bool) {
	s := &p.tokens
	if first := s.peek(); first.isSign() {
		s.next()
		if !s.peek().fixed(6) {
			return first, true
		}
		year := s.next().number
		if first.symbol == '-' && year == 0 {
			return first, true
		}
		p.addDay(first.sign() * year)
	} else if first.fixed(4) {
		p.addDay(s.next().number)
	} else {
		return s.next(), true
	}
	for _, most := range [...]int{12, 31} {
		if !s.skip('-') {
			break
		}
		if t := s.peek(); !t.fixed(2) || !within(t.number, 1, most) {
			return s.next(), true
		}
		p.addDay(s.next().number)
	}
	if t := s.peek(); t.kind == tokenWord && t.word.kind == wordT {
		s.next()
		if !p.isoTime() || s.peek().kind != tokenEnd {
			return token{}, false
		}
	}
	if s.peek().kind != tokenEnd {
		return s.next(), true
	}
	if p.zone.sign == 0 && len(p.time) == 0 {
		p.setZone(0) // a day alone is one of UTC
	}
	p.isISO = true
	return token{}, true
}

// isoTime reads hh:mm[:ss[.sss]] and the zone; false where it is none.
func (p *dateParser) isoTime() bool {
	s := &p.tokens
	part := func(most int) bool {
		t := s.peek()
		if !t.fixed(2) || t.number > most {
			return false
		}
		p.addTime(s.next().number)
		return true
	}
	least := func(most int) int { // 24:00 is the end of a day, and nothing else with 24
		if p.time[0] == 24 {
			return 0
		}
		return most
	}
	if !part(24) || !s.skip(':') || !part(least(59)) {
		return false
	}
	if s.skip(':') {
		if !part(least(59)) {
			return false
		}
		if s.skip('.') {
			if t := s.peek(); t.kind != tokenNumber || t.number > least(1e9) {
				return false
			}
			p.addTime(thousandths(s.next()))
		}
	}
	return p.isoZone()
}

// isoZone reads Z, ±hh:mm or ±hhmm, or nothing.
func (p *dateParser) isoZone() bool {
	s := &p.tokens
	t := s.peek()
	if t.isZ() {
		s.next()
		p.setZone(0)
		return true
	}
	if !t.isSign() {
		return true
	}
	p.zone.sign = s.next().sign()
	if t := s.peek(); t.fixed(4) {
		s.next()
		p.zone.hour, p.zone.minute = t.number/100, t.number%100
		return within(p.zone.hour, 0, 23) && within(p.zone.minute, 0, 59)
	}
	if t := s.peek(); !t.fixed(2) || t.number > 23 {
		return false
	}
	p.zone.hour = s.next().number
	if !s.skip(':') {
		return false
	}
	if t := s.peek(); !t.fixed(2) || t.number > 59 {
		return false
	}
	p.zone.minute = s.next().number
	return true
}

// thousandths reads the digits behind a decimal point.
func thousandths(t token) int {
	n, length := t.number, min(t.length, 9)
	for ; length < 3; length++ {
		n *= 10
	}
	for ; length > 3; length-- {
		n /= 10
	}
	return n
}

// legacy reads on from a token as browsers always did; false where it is no
// date.
func (p *dateParser) legacy(t token) bool {
	s := &p.tokens
	for number := len(p.day) > 0; t.kind != tokenEnd; t = s.next() {
		switch {
		case t.kind == tokenNumber:
			number = true
			if !p.legacyNumber(t) {
				return false
			}
		case t.kind == tokenWord:
			switch {
			case t.word.kind == wordHalfDay && len(p.time) > 0:
				p.halfDay = t.word.value
			case t.word.kind == wordMonth:
				p.named = t.word.value
				s.skip('-')
			case t.word.kind == wordZone && number:
				p.setZone(t.word.value)
			case number || s.peek().kind == tokenNumber:
				return false // other words stand before the first number, and apart
			}
		case t.isSign() && (p.zone.hour == 0 && p.zone.minute == 0 || len(p.time) > 0):
			number = true
			if !p.legacyOffset(t.sign()) {
				return false
			}
		case (t.isSign() || t.isSymbol(')')) && number:
			return false
		}
	}
	return true
}

// legacyNumber finds out what a number is by what stands behind it.
func (p *dateParser) legacyNumber(t token) bool {
	s := &p.tokens
	n := t.number
	if s.skip(':') {
		if s.skip(':') {
			return len(p.time) == 0 && p.addTime(n) && p.addTime(0)
		}
		ok := p.addTime(n)
		s.skip('.')
		return ok
	}
	point := s.skip('.')
	switch {
	case point && p.expectsTime(n):
		p.addTime(n)
		if s.peek().kind != tokenNumber {
			return false
		}
		p.endTime(thousandths(s.next()))
	case p.zone.hour != none && p.zone.minute == none && n < 60:
		p.zone.minute = n
	case p.expectsTime(n):
		p.endTime(n)
		next := s.peek()
		return next.kind == tokenEnd || next.kind == tokenSpace || next.isZ() || next.isSign()
	default:
		ok := p.addDay(n)
		s.skip('-')
		return ok
	}
	return true
}

// legacyOffset reads the digits of an offset from UTC: hh, hhmm, or hh before a
// colon.
func (p *dateParser) legacyOffset(sign int) bool {
	s := &p.tokens
	p.zone.sign = sign
	t := token{}
	if s.peek().kind == tokenNumber {
		t = s.next()
	}
	switch {
	case s.peek().isSymbol(':'):
		p.zone.hour, p.zone.minute = t.number, none
	case t.length == 1 || t.length == 2:
		p.zone.hour, p.zone.minute = t.number, 0
	case t.length == 3 || t.length == 4:
		p.zone.hour, p.zone.minute = t.number/100, t.number%100
	default:
		return false
	}
	return true
}
