package engineio

import "time"

// The heartbeat ("Heartbeat"): in version 4 the server pings and the client
// answers; in version 3 it was the other way round.

func (s *Session) startHeartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	o := s.server.opts
	if s.protocol == 3 {
		s.timer = time.AfterFunc(o.PingInterval+o.PingTimeout, s.timedOut)
		return
	}
	s.timer = time.AfterFunc(o.PingInterval, s.beat)
}

// timedOut ends the session, unless it is the program that has not taken what
// the client sent: what is awaited may stand behind it.
func (s *Session) timedOut() {
	if !s.delivering() {
		s.end(ReasonPingTimeout, closeNormal, false)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.timer.Reset(s.server.opts.PingTimeout)
	}
}

// delivering reports whether the program is taking a message at this moment.
func (s *Session) delivering() bool {
	if s.deliver.TryLock() {
		s.deliver.Unlock()
		return false
	}
	return true
}

// beat sends a ping, or ends the session whose pong is overdue. While the pong
// stands behind messages that the program has not taken, further pings tell
// the client that the connection is alive.
func (s *Session) beat() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	if s.awaiting && !s.delivering() {
		s.mu.Unlock()
		s.timedOut()
		return
	}
	if !s.awaiting {
		s.record.pinged = s.server.uptime()
	}
	s.awaiting, s.extended = true, false
	s.timer.Reset(s.server.opts.PingTimeout)
	err := s.sendLocked([]*Message{s.server.ping})
	s.mu.Unlock()
	if err != nil {
		s.end(s.sendFailure(err), closeGoingAway, false)
	}
}

// heard counts a packet and prolongs the wait for a pong once: a client that is
// busy sending has its pong behind what it sends.
func (s *Session) heard(kind packetType, a arrival) {
	s.mu.Lock()
	s.received(1, a)
	if s.awaiting && !s.extended && !s.closed && s.protocol != 3 && kind != packetPong {
		s.extended = true
		s.timer.Reset(s.server.opts.PingTimeout)
	}
	s.mu.Unlock()
}

func (s *Session) pinged() bool {
	if s.protocol != 3 {
		s.end(ReasonTransportError, closeNormal, false)
		return false
	}
	s.mu.Lock()
	if !s.closed && s.timer != nil {
		s.timer.Reset(s.server.opts.PingInterval + s.server.opts.PingTimeout)
	}
	s.mu.Unlock()
	return s.Send(control(packetPong, nil)) == nil
}

func (s *Session) ponged() bool {
	if s.protocol == 3 {
		s.end(ReasonTransportError, closeNormal, false)
		return false
	}
	s.mu.Lock()
	answered, rtt := s.awaiting, time.Duration(0)
	if answered {
		rtt = max(1, s.server.uptime()-s.record.pinged)
		s.record.rtt = rtt
	}
	if !s.closed && s.timer != nil {
		s.awaiting = false
		s.timer.Reset(s.server.opts.PingInterval)
	}
	s.mu.Unlock()
	if o := s.server.opts.Observer; o != nil && answered {
		o.Ponged(rtt)
	}
	return true
}
