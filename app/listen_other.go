//go:build !linux

package app

import "syscall"

func tuneListener(string, string, syscall.RawConn) error { return nil }
