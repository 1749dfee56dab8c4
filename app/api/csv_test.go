package api_test

import (
	"encoding/csv"
	"encoding/json"
	"net/url"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("CSV", func() {
	const value = `{"status":"=HYPERLINK(\"http://x\")","cpu":-1.50,"ok":true,"none":null,"deep":{"a.b":1e3,"text":"two\r\nlines, \"quoted\""},"list":[1],"name":"@SUM(A1)","tab":"\tx","neg":"-1+1","uni":"ü€😀","+x":"plain"}`

	It("has a column for each field, the value in the last one, and no formulas", func() {
		s := serve()
		s.put(row("eu-west", value, 0), row("us-east", `{"other":1}`, 1), row("us-east", `"=1+1"`, 2))
		a := s.get("/api/v1/history?format=csv")
		Expect(a.Header.Get("Content-Disposition")).To(Equal(`attachment; filename="history-all.csv"`))
		records, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
		Expect(err).NotTo(HaveOccurred())
		cell := func(line int, column string) string {
			GinkgoHelper()
			for i, name := range records[0] {
				if name == column {
					return records[line][i]
				}
			}
			Fail("no column " + column + " in " + strings.Join(records[0], "|"))
			return ""
		}
		Expect(records[0][:4]).To(Equal([]string{"api", "source", "createdAt", "updatedAt"}))
		Expect(cell(1, "createdAt")).To(Equal("2026-11-01T00:00:00.000Z"))
		Expect(cell(1, "data.status")).To(Equal(`'=HYPERLINK("http://x")`))
		Expect(cell(1, "data.cpu")).To(Equal("-1.50"))
		Expect(cell(1, "data.ok")).To(Equal("true"))
		Expect(cell(1, `data.deep.a\.b`)).To(Equal("1e3"))
		Expect(cell(1, "data.deep.text")).To(Equal("two\nlines, \"quoted\""), "encoding/csv reads CRLF as LF")
		Expect(cell(1, "data.name")).To(Equal("'@SUM(A1)"))
		Expect(cell(1, "data.tab")).To(Equal("'\tx"))
		Expect(cell(1, "data.neg")).To(Equal("'-1+1"))
		Expect(cell(1, "data.uni")).To(Equal("ü€😀"))
		Expect(cell(1, "data.other")).To(BeEmpty())
		Expect(cell(2, "data.other")).To(Equal("1"))
		Expect(cell(1, "data")).To(MatchJSON(value))
		Expect(cell(3, "data")).To(Equal(`"=1+1"`))
		for _, record := range records {
			for _, text := range record {
				Expect(text).NotTo(MatchRegexp(`^[=+@\t\r]|^-[^0-9]|^-.*[^-+0-9.eE]`))
			}
		}
	})

	It("has the fields that are asked for, in their order", func() {
		s := serve()
		s.put(row("eu-west", value, 0), row("us-east", `{"cpu":2,"list":{"0":7}}`, 1))
		a := s.get("/api/v1/history?format=csv&fields=" + url.QueryEscape(`cpu, list,deep.a\.b,nothing,=x`))
		Expect(a.body).To(Equal("api,source,createdAt,updatedAt,data.cpu,data.list,\"data.deep.a\\.b\",data.nothing,\"data.=x\"\r\n" +
			"acme,eu-west,2026-11-01T00:00:00.000Z,2026-11-01T00:00:00.000Z,-1.50,\"[1]\",1e3,,\r\n" +
			"acme,us-east,2026-11-01T00:00:01.000Z,2026-11-01T00:00:01.000Z,2,\"{\"\"0\"\":7}\",,,\r\n"))
	})

	It("is read by Python as it was written", func(ctx SpecContext) {
		python, err := exec.LookPath("python3")
		if err != nil {
			Skip("python3 is not installed")
		}
		s := serve()
		s.put(row("eu-west", value, 0), row("us-east", `{"status":"ok"}`, 1))
		read := exec.CommandContext(ctx, python, "-c", `
import csv, io, json, sys
text = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="")
print(json.dumps(list(csv.DictReader(text, strict=True))))`)
		read.Stdin = strings.NewReader(s.get("/api/v1/history?format=csv").body)
		out, err := read.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		var rows []map[string]string
		Expect(json.Unmarshal(out, &rows)).To(Succeed())
		Expect(rows).To(HaveLen(2))
		Expect(rows[0]).To(HaveKeyWithValue("data.deep.text", "two\r\nlines, \"quoted\""))
		Expect(rows[0]).To(HaveKeyWithValue("data.cpu", "-1.50"))
		Expect(rows[0]["data"]).To(MatchJSON(value))
		Expect(rows[1]).To(HaveKeyWithValue("data.status", "ok"))
	}, NodeTimeout(time.Minute))
})
