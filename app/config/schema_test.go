package config

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/invopop/jsonschema"
	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	validator "github.com/pb33f/jsonschema/v6"
)

const (
	schemaPath = "../../docs/config.schema.json"
	samplePath = "../../deploy/devops-insights.yaml"
	// ofVariable is a text that the environment makes a value of.
	ofVariable = `\$\{`
	ofDuration = `^\s*([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+\s*$|^0$|` + ofVariable
)

// text is the schema of a text of the pattern.
func text(pattern string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: pattern}
}

// either is the schema of a value of the type, or of a text of the pattern.
func either(kind, pattern string) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: kind}, text(pattern)}}
}

// schemaOf returns the schema of a part of the file that is no mapping of fields.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	switch reflect.New(t).Interface().(type) {
	case *textPart, *secretPart, *filePart:
		return text("")
	case *durationPart:
		return text(ofDuration)
	case *countPart:
		return either("integer", ofVariable)
	case *boolPart:
		return either("boolean", "^(true|false)$|"+ofVariable)
	case *statusPart:
		status := &jsonschema.Schema{Type: "integer", Minimum: "100", Maximum: "599"}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{status, text(`^[1-5][0-9]{2}( *- *[1-5][0-9]{2})?$|` + ofVariable)}}
	case *severityPart:
		return text("^ *(critical|warning|info) *$|" + ofVariable)
	case *typePart:
		return text("^ *(webhook|alertmanager) *$|" + ofVariable)
	case *overPart:
		return text("^ *(region|all) *$|" + ofVariable)
	case *waitPart:
		return text(`^ *[0-9]+ *polls? *$|` + ofDuration)
	case *labelsPart:
		return &jsonschema.Schema{Type: "object", PropertyNames: text("^[a-zA-Z_][a-zA-Z0-9_]{0,99}$"), AdditionalProperties: text("")}
	case *headersPart:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: text("")}
	case *settingsPart:
		return schemaOfSettings()
	}
	return nil
}

// schemaOfSettings has a property for each setting.
func schemaOfSettings() *jsonschema.Schema {
	all := &jsonschema.Schema{
		Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema,
		Description: "Settings by the names of their flags. Flags, the environment and .env go before them.",
	}
	c := Default()
	for _, s := range c.settings().settings {
		var one *jsonschema.Schema
		switch s.value.Type() {
		case "duration":
			one = text(ofDuration)
		case "int":
			one = either("integer", "^ *-?[0-9]+ *$|"+ofVariable)
		case "float64":
			one = either("number", "^[-0-9.e+]+$|"+ofVariable)
		case "bool":
			one = either("boolean", "^(true|false)$|"+ofVariable)
		case "bytes":
			one = either("integer", "(?i)^ *[0-9.]+ *([kmgt]?(i?b)?) *$|"+ofVariable)
		case "list":
			one = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "array", Items: text("")}}}
		default:
			one = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
		}
		one.Description = s.usage + " (" + strings.Join(s.env, ", ") + ")"
		if value := s.value.String(); value != "" {
			one.Description += "; default " + value
		}
		all.Properties.Set(s.flag, one)
	}
	return all
}

// makeSchema returns the JSON schema of the file.
func makeSchema() []byte {
	r := jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true, Mapper: schemaOf,
		Namer: func(t reflect.Type) string {
			if item, isList := strings.CutSuffix(t.Name(), "]"); isList {
				return strings.TrimSuffix(item[strings.LastIndexByte(item, '.')+1:], "Part") + "List"
			}
			return strings.TrimSuffix(t.Name(), "Part")
		},
	}
	s := r.Reflect(&document{})
	s.Title, s.Description = "Settings of DevOps Insights", "devops-insights.yaml, or the file of CONFIG_FILE. ${NAME} in a text is an environment variable, ${NAME:-text} has a default, $$ is $."
	for _, name := range []string{"region", "regionTitle"} { // their name alone is enough
		whole := s.Definitions[name]
		s.Definitions[name] = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text(""), whole}}
	}
	for name, most := range map[string]uint64{"apiList": maxAPIs, "regionList": maxRegions, "regionTitleList": maxRegions, "receiverList": maxReceivers, "ruleList": maxRules, "plannedList": maxPlanned} {
		least := uint64(1)
		s.Definitions[name].MinItems, s.Definitions[name].MaxItems = &least, &most
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	gomega.Expect(encoder.Encode(s)).To(gomega.Succeed())
	return out.Bytes()
}

var _ = Describe("the JSON schema", func() {
	var schema *validator.Schema

	BeforeEach(func() {
		published, err := os.ReadFile(schemaPath)
		if os.Getenv("UPDATE_SCHEMA") != "" {
			gomega.Expect(os.WriteFile(schemaPath, makeSchema(), 0o644)).To(gomega.Succeed())
			published, err = os.ReadFile(schemaPath)
		}
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		doc, err := validator.UnmarshalJSON(bytes.NewReader(published))
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		compiler := validator.NewCompiler()
		gomega.Expect(compiler.AddResource("config.schema.json", doc)).To(gomega.Succeed())
		schema, err = compiler.Compile("config.schema.json")
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
	})

	validate := func(text []byte) error {
		GinkgoHelper()
		asJSON, err := yaml.YAMLToJSON(text)
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		doc, err := validator.UnmarshalJSON(bytes.NewReader(asJSON))
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		return schema.Validate(doc)
	}

	It("is that of the types; UPDATE_SCHEMA=1 go test ./app/config writes it", func() {
		published, err := os.ReadFile(schemaPath)
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		gomega.Expect(string(published)).To(gomega.Equal(string(makeSchema())))
	})

	It("accepts the sample, which the program accepts too", func() {
		sample, err := os.ReadFile(samplePath)
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		gomega.Expect(validate(sample)).To(gomega.Succeed())
		dir := GinkgoT().TempDir()
		for name, text := range map[string]string{"c.yaml": string(sample), "acme-token": "t"} {
			gomega.Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(gomega.Succeed())
		}
		c, warnings, err := Load([]string{"--config", filepath.Join(dir, "c.yaml")}, []string{"ACME_KEY=k", "CREDENTIALS_DIRECTORY=" + dir})
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		gomega.Expect(warnings).To(gomega.BeEmpty())
		gomega.Expect(len(c.APIs())).To(gomega.BeNumerically(">", 1))
	})

	It("accepts what the sample has in comments about alerts, which the program accepts too", func() {
		sample, err := os.ReadFile(samplePath)
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		_, commented, found := strings.Cut(string(sample), "# alerts:\n")
		gomega.Expect(found).To(gomega.BeTrue())
		text := []byte(string(sample) + "alerts:\n" + strings.ReplaceAll("\n"+commented, "\n# ", "\n"))
		gomega.Expect(validate(text)).To(gomega.Succeed())
		dir := GinkgoT().TempDir()
		receivers, err := filepath.Abs(filepath.Join(filepath.Dir(samplePath), "receivers"))
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		gomega.Expect(os.Symlink(receivers, filepath.Join(dir, "receivers"))).To(gomega.Succeed())
		for name, text := range map[string]string{"c.yaml": string(text), "acme-token": "t", "chat-url": "https://chat.example/hook"} {
			gomega.Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(gomega.Succeed())
		}
		c, warnings, err := Load([]string{"--config", filepath.Join(dir, "c.yaml")}, []string{"ACME_KEY=k", "CREDENTIALS_DIRECTORY=" + dir})
		gomega.Expect(err).NotTo(gomega.HaveOccurred())
		gomega.Expect(warnings).To(gomega.BeEmpty())
		gomega.Expect([]int{len(c.AlertReceivers()), len(c.AlertRules()), len(c.Planned())}).To(gomega.Equal([]int{2, 5, 2}))
	})

	It("accepts every value that the program prints as a default", func() {
		var settings []string
		c := Default()
		for _, s := range c.settings().settings {
			if text := s.value.String(); text != "" {
				settings = append(settings, "  "+s.flag+": "+text)
			}
		}
		gomega.Expect(validate([]byte("settings:\n" + strings.Join(settings, "\n")))).To(gomega.Succeed())
	})

	DescribeTable("refuses what the program refuses", func(text string) {
		gomega.Expect(validate([]byte(text))).NotTo(gomega.Succeed())
		path := filepath.Join(GinkgoT().TempDir(), "c.yaml")
		gomega.Expect(os.WriteFile(path, []byte(text), 0o600)).To(gomega.Succeed())
		_, _, err := Load([]string{"--config", path}, nil)
		gomega.Expect(err).To(gomega.HaveOccurred())
	},
		Entry(nil, "alerts: []"),
		Entry(nil, "alerts: {rules: []}"),
		Entry(nil, "alerts: {rules: [{name: x}]}"),
		Entry(nil, "alerts: {rules: [{name: x, expr: down, for: 5}]}"),
		Entry(nil, "alerts: {rules: [{name: x, expr: down, over: everything}]}"),
		Entry(nil, "alerts: {rules: [{name: x, expr: down, labels: {a-b: c}}]}"),
		Entry(nil, "alerts: {rules: [{name: x, expr: down, keepFor: 5m}]}"),
		Entry(nil, "alerts: {receivers: [{name: x}]}"),
		Entry(nil, "alerts: {receivers: [{name: x, url: \"https://h/\", type: pager}]}"),
		Entry(nil, "alerts: {receivers: [{name: x, url: \"https://h/\", severities: [fatal]}]}"),
		Entry(nil, "alerts: {default-rules: false}"),
		Entry(nil, "alerts: {maintenance: [{title: x}]}"),
		Entry(nil, "regions: []"),
		Entry(nil, "regions: [{title: x}]"),
		Entry(nil, "settings: {poll-interval: 30}"),
		Entry(nil, "settings: {poll_interval: 30s}"),
		Entry(nil, "settings: {port: x}"),
		Entry(nil, "apis: [{title: x}]"),
		Entry(nil, "apis: [{name: x, ulr: y}]"),
		Entry(nil, "apis: [{name: x, statuses: [2xx]}]"),
		Entry(nil, "apis: [{name: x, statuses: [99]}]"),
		Entry(nil, "apis: [{name: x, interval: 5}]"),
		Entry(nil, "apis: [{name: x, tls: {serverName: y}}]"),
		Entry(nil, "apis: [{name: x, regions: [{url: y}]}]"),
		Entry(nil, "apis: [{name: x, fields: {max: many}}]"),
	)
})
