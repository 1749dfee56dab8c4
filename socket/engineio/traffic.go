package engineio

// packetCost is what a packet counts for beside its bytes: many small ones are
// work too.
const packetCost = 64

// admitTraffic counts a packet of n bytes, as long as it is after decompression,
// and ends the session of a client that sends more than Options.MaxByteRate.
func (s *Session) admitTraffic(n int) bool {
	if s.traffic == nil || s.traffic.AllowN(s.server.opts.Now(), n+packetCost) {
		return true
	}
	s.server.CountLimit(LimitTraffic)
	s.NoteExcess()
	s.end(ReasonTraffic, closePolicy, false)
	return false
}
