// Package alert holds what alerts are: the words that its rooms share. rule
// compiles the rules, engine decides by the results of polls which alerts fire
// and keeps their states and messages, notify delivers the messages, quiet knows
// when nobody is to be woken. Only the instance that has the lease of an API
// decides and delivers. None of them knows sockets.
package alert
