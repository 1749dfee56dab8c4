// Package quiet knows when nobody is to be woken: silences, acknowledgements and
// windows of maintenance. People's words are records in the store, which every
// instance reads again and again; planned windows stand in the settings. It knows
// nothing of rules and receivers.
package quiet
