package empty

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestEmpty(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Empty")
}
