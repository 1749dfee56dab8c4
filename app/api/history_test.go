package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("GET /api/v1/history", func() {
	It("answers rows oldest first, in the shape of the dashboards' history, and says where the next ones are", func() {
		s := serve()
		s.fill(25)
		a := s.get("/api/v1/history?source=EU-West&limit=10")
		Expect(a.Header.Get("Content-Type")).To(Equal("application/json; charset=utf-8"))
		Expect(a.body).To(HavePrefix(`{"api":"acme","source":"eu-west","items":[{"api":"acme","source":"eu-west","data":{"status":"ok","n":0},"hash":"` + store.Hash([]byte(`{"status":"ok","n":0}`)) + `","createdAt":"2026-11-01T00:00:00.000Z","updatedAt":"2026-11-01T00:00:00.000Z"},`))
		Expect(a.json()).To(HaveKeyWithValue("count", 10.0))
		var pages [][]int
		for {
			pages = append(pages, a.numbers())
			path := s.next(a)
			if path == "" {
				break
			}
			Expect(path).To(ContainSubstring("cursor=" + a.json()["next"].(string)))
			a = s.get(path)
		}
		Expect(a.json()).To(HaveKeyWithValue("next", BeNil()))
		Expect(pages).To(HaveLen(3))
		var all []int
		for _, page := range pages {
			all = append(all, page...)
		}
		Expect(all).To(Equal(upTo(25)))
	})

	It("goes from row to row while rows come and go, newest first as well", func() {
		s := serve()
		s.fill(2500)
		a := s.get("/api/v1/history?order=desc&limit=1100")
		Expect(a.numbers()[:2]).To(Equal([]int{2499, 2498}))
		s.put(row("us-east", `{"n":-1}`, 4000))
		second := s.get(s.next(a)).numbers()
		Expect(second[0]).To(Equal(1399))
		Expect(second).To(HaveLen(1100))
	})

	It("bounds the range by both ends, which are part of it, written in any way", func() {
		s := serve()
		s.fill(10)
		for _, path := range []string{
			"?from=2026-11-01T00:00:03Z&to=2026-11-01T00:00:05Z",
			"?from=2026-11-01T01:00:03%2B01:00&to=2026-11-01T00:00:05.000Z",
			"?from=2026-11-01T01:00:03+01:00&to=2026-11-01t00:00:05z",
			fmt.Sprintf("?from=%d&to=%d.000", epoch.Unix()+3, epoch.Unix()+5),
			fmt.Sprintf("?from=%d.0005&to=%d.9&source=", epoch.Unix()+2, epoch.Unix()+5),
		} {
			Expect(s.get("/api/v1/history"+path).numbers()).To(Equal([]int{3, 4, 5}), path)
		}
	})

	It("answers 1000 rows where JSON is asked for without a limit, and all of them as NDJSON and CSV", func() {
		s := serve()
		s.fill(3100)
		Expect(s.get("/api/v1/history").numbers()).To(HaveLen(1000))
		Expect(s.get("/api/v1/history?limit=3000").numbers()).To(HaveLen(3000))
		a := s.get("/api/v1/history?format=ndjson")
		Expect(a.Header.Get("Content-Type")).To(Equal("application/x-ndjson"))
		Expect(strings.Count(a.body, "\n")).To(Equal(3100))
		lines := bufio.NewScanner(strings.NewReader(a.body))
		for i := 0; lines.Scan(); i++ {
			var line struct{ Data struct{ N int } }
			Expect(json.Unmarshal(lines.Bytes(), &line)).To(Succeed())
			Expect(line.Data.N).To(Equal(i))
		}
		Expect(s.next(a)).To(BeEmpty())
		a = s.get("/api/v1/history?format=ndjson&limit=5")
		Expect(strings.Count(a.body, "\n")).To(Equal(5))
		Expect(s.next(a)).NotTo(BeEmpty())
	})

	DescribeTable("takes the format of the header Accept", func(accept, contentType string) {
		s := serve()
		s.fill(1)
		Expect(s.get("/api/v1/history", "Accept", accept).Header.Get("Content-Type")).To(HavePrefix(contentType))
		Expect(s.get("/api/v1/history?format=json", "Accept", accept).Header.Get("Content-Type")).To(HavePrefix("application/json"))
	},
		Entry("CSV", "text/csv", "text/csv"),
		Entry("NDJSON", "application/x-ndjson", "application/x-ndjson"),
		Entry("what it likes best", "application/json;q=0.1, text/csv;q=0.5", "text/csv"),
		Entry("of a browser", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
		Entry("nonsense", ";;,q=,text/csv;q=nan", "application/json"),
		Entry("nothing that there is", "image/png", "application/json"),
	)

	It("of a closed range has an entity tag, which a late row changes", func() {
		s := serve()
		s.fill(2300)
		for _, path := range []string{"?format=ndjson", "?format=csv&source=eu-west", "?limit=5", "?limit=2000"} {
			path = "/api/v1/history" + path + "&to=2026-11-20T00:00:00Z"
			a := s.get(path)
			tag := a.Header.Get("ETag")
			Expect(tag).To(HavePrefix(`W/"`), path)
			Expect(a.Header.Get("Cache-Control")).To(Equal("private, no-cache"))
			again := s.get(path, "If-None-Match", `"other", `+tag)
			Expect(again.StatusCode).To(Equal(http.StatusNotModified))
			Expect(again.body).To(BeEmpty())
			Expect(again.Header.Get("ETag")).To(Equal(tag))
			Expect(s.get(path, "If-None-Match", `W/"other"`).StatusCode).To(Equal(http.StatusOK))
		}
		path := "/api/v1/history?format=ndjson&to=2026-11-20T00:00:00Z"
		tag := s.get(path).Header.Get("ETag")
		Expect(s.get("/api/v1/history?format=csv&to=2026-11-20T00:00:00Z").Header.Get("ETag")).NotTo(Equal(tag))
		s.put(row("eu-west", `{"n":0.5}`, 1))
		a := s.get(path, "If-None-Match", tag)
		Expect(a.StatusCode).To(Equal(http.StatusOK))
		Expect(a.Header.Get("ETag")).NotTo(Equal(tag))
	})

	It("of a range to which rows may still be added has none", func() {
		s := serve()
		s.fill(1)
		for _, to := range []string{"", "&to=2026-11-25T09:59:31Z", "&to=2026-12-01T00:00:00Z"} {
			a := s.get("/api/v1/history?limit=1" + to)
			Expect(a.Header.Get("ETag")).To(BeEmpty())
			Expect(a.Header.Get("Cache-Control")).To(Equal("no-store"))
		}
	})

	It("answers HEAD with what GET has before the rows", func() {
		s := serve()
		s.fill(3000)
		path := "/api/v1/history?limit=2000&to=2026-11-20T00:00:00Z"
		head, get := ask(http.MethodHead, s.url+path), s.get(path)
		Expect(head.StatusCode).To(Equal(http.StatusOK))
		Expect(head.body).To(BeEmpty())
		for _, name := range []string{"ETag", "Link", "Content-Type"} {
			Expect(head.Header.Get(name)).To(Equal(get.Header.Get(name)), name)
		}
	})

	It("of nothing is an empty answer in each format", func() {
		s := serve()
		Expect(s.get("/api/v1/history").body).To(Equal(`{"api":"acme","items":[],"count":0,"next":null}`))
		Expect(s.get("/api/v1/history?format=ndjson").body).To(BeEmpty())
		Expect(s.get("/api/v1/history?format=csv").body).To(Equal("api,source,createdAt,updatedAt,data\r\n"))
	})

	DescribeTable("refuses with a sentence", func(query string, status int, parts ...string) {
		s := serve()
		s.fill(3)
		s.get("/api/v1/history?"+query).refused(status, parts...)
	},
		Entry("a region that there is none of", "source=mars", 404, `"mars"`, "us-east, eu-west"),
		Entry("a region that is no text", "source=%00%ff", 400, "source", "UTF-8"),
		Entry("another region in letters alike", "source=%D0%B5u-west", 404),
		Entry("a region twice", "source=eu-west&source=us-east", 400, "source", "2 times"),
		Entry("an operator of MongoDB", "source[$ne]=eu-west", 400, "source[$ne]", "allowed are api, source"),
		Entry("an operator as a value", "source=%7B%22$gt%22:%22%22%7D", 404),
		Entry("SQL", "source=eu-west'%20OR%201=1--", 404),
		Entry("an array", "source[]=eu-west", 400, "source[]"),
		Entry("a parameter that there is none of", "sources=eu-west", 400, "sources"),
		Entry("an escape that is none", "source=%zz", 400, "cannot be read"),
		Entry("a semicolon", "source=eu-west;limit=1", 400, "cannot be read"),
		Entry("a time that is none", "from=yesterday", 400, "from", `"yesterday"`, "RFC 3339"),
		Entry("a time without a zone", "from=2026-11-25T10:00:00", 400, "from"),
		Entry("milliseconds", "from=1795600800000", 400, "from", "seconds"),
		Entry("no number", "from=NaN", 400, "from"),
		Entry("infinity", "to=Infinity", 400, "to"),
		Entry("a number that is too large", "to=1e300", 400, "to"),
		Entry("a hexadecimal number", "to=0x10", 400, "to"),
		Entry("a time of many digits", "to="+strings.Repeat("9", 5000), 400, "to"),
		Entry("digits of another script", "to=%D9%A1%D9%A2", 400, "to"),
		Entry("a range that ends before it begins", "from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", 400, "from", "after"),
		Entry("a limit of 0", "limit=0", 400, "limit", "1 to 1000000"),
		Entry("a negative limit", "limit=-1", 400, "limit"),
		Entry("a limit with a sign", "limit=%2B5", 400, "limit"),
		Entry("a limit that is too large", "limit=1000001", 400, "limit"),
		Entry("a limit beyond all numbers", "limit=99999999999999999999999", 400, "limit"),
		Entry("a fraction", "limit=1.5", 400, "limit"),
		Entry("an exponent", "limit=1e3", 400, "limit"),
		Entry("an order that there is none of", "order=up", 400, "order", "asc, desc"),
		Entry("a format that there is none of", "format=xml", 400, "format", "json, ndjson, csv"),
		Entry("fields without CSV", "fields=status", 400, "fields", "csv"),
		Entry("an empty field", "format=csv&fields=a,,b", 400, "fields"),
		Entry("more fields than are allowed", "format=csv&fields="+strings.Repeat("a,", 100)+"a", 400, "101"),
		Entry("parameters without an end", "source="+strings.Repeat("x", 20000), 413, "16384"),
		Entry("a cursor that is none", "cursor=nonsense", 400, "cursor"),
		Entry("a cursor that is no text", "cursor=%ff", 400, "cursor"),
		Entry("an empty cursor in its form", "cursor=AAAAAAAAAAA", 400, "cursor"),
		Entry("a long cursor", "cursor="+strings.Repeat("A", 9000), 400, "cursor"),
	)

	It("refuses a cursor of another region or order, and one that was changed", func() {
		s := serve()
		s.fill(3)
		cursor := s.get("/api/v1/history?source=eu-west&limit=1").json()["next"].(string)
		Expect(s.get("/api/v1/history?source=eu-west&cursor=" + cursor).numbers()).To(Equal([]int{1, 2}))
		s.get("/api/v1/history?cursor="+cursor).refused(400, "cursor", "same api, source")
		s.get("/api/v1/history?source=eu-west&order=desc&cursor="+cursor).refused(400, "cursor")
		for i := range cursor {
			changed := []byte(cursor)
			changed[i] ^= 1
			s.get("/api/v1/history?source=eu-west&cursor="+url.QueryEscape(string(changed))).refused(400, "cursor")
		}
	})

	It("is 503 with Retry-After while the database is away, without what the database said", func() {
		s := serve(func(o *api.Options) { o.History = broken{after: 0} })
		a := s.get("/api/v1/history")
		a.refused(503, "ask again later")
		Expect(a.Header.Get("Retry-After")).To(Equal("5"))
		Expect(a.body).NotTo(ContainSubstring("secret"))
		Expect(s.logs.Contents()).To(ContainSubstring("secret"))
	})

	DescribeTable("breaks off where the history cannot be read any more", func(query string, headers ...string) {
		s := serve(func(o *api.Options) { o.History = broken{after: 3000} })
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+"/api/v1/history?"+query, http.NoBody)
		Expect(err).NotTo(HaveOccurred())
		resp, err := http.DefaultClient.Do(r)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = resp.Body.Close() }()
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		_, err = io.ReadAll(resp.Body)
		Expect(err).To(MatchError(io.ErrUnexpectedEOF))
		Expect(s.logs.Contents()).To(ContainSubstring("broke off"))
	},
		Entry("as NDJSON", "format=ndjson"),
		Entry("as CSV", "format=csv"),
	)
})

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// broken is a database that goes away after some rows.
type broken struct{ after int }

func (b broken) Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	var begin int
	if q.After != "" {
		if _, err := fmt.Sscan(q.After, &begin); err != nil {
			return err
		}
		begin++
	}
	for i := begin; i < begin+q.Limit; i++ {
		if i >= b.after {
			return errors.New("mongodb://user:secret@db is away")
		}
		m := row("eu-west", `{"status":"ok"}`, i)
		m.ID = fmt.Sprint(i)
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}
