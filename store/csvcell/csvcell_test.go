package csvcell_test

import (
	"encoding/csv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/csvcell"
)

func TestFormulasAreKnownByTheirBeginning(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"=1", "+1", "-1", "@a", "\t=1", "\r", "\n", "＝1", "＠"} {
		g.Expect(csvcell.Formula([]byte(text))).To(BeTrue(), "%q", text)
	}
	for _, text := range []string{"", "a=1", "1-1", "'=1", "\xff=", "é"} {
		g.Expect(csvcell.Formula([]byte(text))).To(BeFalse(), "%q", text)
	}
}

func TestQuotedCellsComeBackAsTheyWere(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"", `"`, `a"b""c`, "a,b\nc", "\xff"} {
		record, err := csv.NewReader(strings.NewReader(string(csvcell.AppendQuoted([]byte("x,"), []byte(text))))).Read()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(record).To(Equal([]string{"x", text}))
	}
}
