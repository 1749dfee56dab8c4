package api

import (
	"github.com/valyala/fastjson"

	"github.com/devops-insights/devops-insights/store/fieldpath"
)

// maxDepth bounds the objects that are looked into for columns.
const maxDepth = 20

// walk calls each with the path of every field of the objects of a value that is
// no object and no array. The path is valid during the call only.
func walk(v *fastjson.Value, path []byte, depth int, each func(path []byte)) {
	if v.Type() != fastjson.TypeObject || depth > maxDepth {
		return
	}
	before := len(path)
	members, _ := v.Object()
	members.Visit(func(name []byte, member *fastjson.Value) {
		path = fieldpath.Append(path[:before], name)
		switch member.Type() {
		case fastjson.TypeObject:
			walk(member, path, depth+1, each)
		case fastjson.TypeArray, fastjson.TypeNull:
		default:
			if len(path) > 0 {
				each(path)
			}
		}
	})
}
