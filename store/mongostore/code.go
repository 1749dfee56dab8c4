package mongostore

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Codes of the server that decide what is done.
const (
	codeBadValue          = 2
	codeFailedToParse     = 9
	codeOverflow          = 15
	codeInvalidBSON       = 22
	codeInvalidOptions    = 72
	codeNoMajorityRead    = 148
	codeValidationFailed  = 121
	codeObjectTooLarge    = 10334
	codeUpdateTooLarge    = 17419
	codeInsertTooLarge    = 17420
	codeNamespaceNotFound = 26
	codeCommandNotFound   = 59
	codeNotImplemented    = 238
	codeInvalidResume     = 260
	codeFatalStream       = 280
	codeHistoryLost       = 286
	codeUnknownStage      = 40324
	codeNotReplicaSet     = 40573
)

// code returns the server's code of an error, 0 where there is none.
func code(err error) int {
	if e := mongo.ServerError(nil); errors.As(err, &e) {
		if codes := e.ErrorCodes(); len(codes) > 0 {
			return codes[0]
		}
	}
	return 0
}

// unsupported reports that the deployment has no change streams.
func unsupported(err error) bool {
	switch code(err) {
	case codeFailedToParse, codeCommandNotFound, codeNotImplemented, codeUnknownStage, codeNotReplicaSet:
		return true
	}
	return false
}

// noReadConcern reports that the deployment does not know the read concern
// that was asked for.
func noReadConcern(err error) bool {
	switch code(err) {
	case codeFailedToParse, codeInvalidOptions, codeNoMajorityRead, codeNotImplemented:
		return true
	}
	return false
}

// historyLost reports that a resume token leads nowhere any more.
func historyLost(err error) bool {
	switch code(err) {
	case codeInvalidResume, codeFatalStream, codeHistoryLost:
		return true
	}
	return false
}

// refused reports a value that the server will not take at any time.
func refused(err error) bool {
	switch code(err) {
	case codeBadValue, codeOverflow, codeInvalidBSON, codeValidationFailed, codeObjectTooLarge, codeUpdateTooLarge, codeInsertTooLarge:
		return true
	}
	return false
}
