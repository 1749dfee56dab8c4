package plainfails

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestPlainFails(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Plain fails")
}

func TestPlain(t *testing.T) { t.Error("this is wrong") }

var _ = It("is right", func() { Expect(1).To(Equal(1)) })
