//go:build pending

package alert

import (
	_ "github.com/adhocore/gronx"
	_ "github.com/expr-lang/expr"
)
