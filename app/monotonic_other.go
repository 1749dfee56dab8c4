//go:build !linux

package app

// monotonicMicroseconds is asked for where systemd is.
func monotonicMicroseconds() int64 { return 0 }
