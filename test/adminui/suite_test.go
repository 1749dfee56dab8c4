// Package adminui tries the server with the admin UI that Socket.IO publishes, in
// a real browser, and beside a Node server that has it too.
package adminui

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestAdminUI(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The admin UI")
}
