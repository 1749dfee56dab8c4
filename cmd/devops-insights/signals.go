package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal ends the context at the first SIGINT or SIGTERM; the second one
// ends the process at once.
func untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailure)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

// hangups returns a channel with a value for each SIGHUP by which somebody asks
// for the settings to be loaded again. The other meaning of the signal is that the
// terminal at which the program was started is gone: then end is called, unless
// nohup says that the program outlives it.
func hangups(end func()) <-chan struct{} {
	endsWithTerminal := hasTerminal() && !signal.Ignored(syscall.SIGHUP)
	signals, asked := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(signals, syscall.SIGHUP)
	go func() {
		for range signals {
			if endsWithTerminal && !hasTerminal() {
				end()
				return
			}
			select {
			case asked <- struct{}{}:
			default: // a reload is to come anyway
			}
		}
	}()
	return asked
}

// hasTerminal reports whether the process has a terminal that controls it; one
// that has hung up is none any more.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	_ = tty.Close()
	return true
}
