package outcome

import "github.com/devops-insights/devops-insights/store/digest"

// latency is how long the polls of an interval took, in milliseconds.
type latency struct{ digest *digest.Digest }

// newLatency begins with what an interval of the store holds. What cannot be
// read is left out.
func newLatency(encoded []byte) *latency {
	l := &latency{digest.New()}
	l.mergeEncoded(encoded)
	return l
}

func (l *latency) mergeEncoded(encoded []byte) {
	if len(encoded) == 0 {
		return
	}
	if whole := digest.New(); whole.MergeBinary(encoded) == nil {
		l.digest.Merge(whole)
	}
}

// merge adds that of another interval.
func (l *latency) merge(e *entry) {
	if e.latency != nil {
		l.digest.Merge(e.latency.digest)
		return
	}
	l.mergeEncoded(e.Latency)
}

// encode returns the bytes for a store.
func (l *latency) encode() []byte {
	b, _ := l.digest.AppendBinary(nil) // never fails
	return b
}
