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

func (s *Session) timedOut() { s.end(ReasonPingTimeout, closeNormal, false) }

// beat sends a ping, or ends the session whose pong is overdue.
func (s *Session) beat() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	if s.awaiting {
		s.mu.Unlock()
		s.timedOut()
		return
	}
	s.awaiting, s.extended = true, false
	s.timer.Reset(s.server.opts.PingTimeout)
	err := s.sendLocked([]*Message{s.server.ping})
	s.mu.Unlock()
	if err != nil {
		s.end(s.sendFailure(err), closeGoingAway, false)
	}
}

// heard prolongs the wait for a pong once: a client that is busy sending has
// its pong behind what it sends.
func (s *Session) heard(kind packetType) {
	if s.protocol == 3 || kind == packetPong {
		return
	}
	s.mu.Lock()
	if s.awaiting && !s.extended && !s.closed {
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
	if !s.closed && s.timer != nil {
		s.awaiting = false
		s.timer.Reset(s.server.opts.PingInterval)
	}
	s.mu.Unlock()
	return true
}
