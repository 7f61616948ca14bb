package render

import (
	"fmt"
	"html/template"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is how many modules around a code stay white: readers need 4.
const quiet = 4

// code returns a text as the picture of a QR code that loses up to 15 % of its modules and is still
// read. It fails for a text that is too long.
func code(text string) (template.HTML, error) {
	c, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", err
	}
	n := c.Bounds().Dx()
	dark := func(x, y int) bool { return c.At(x, y) == color.Black }
	var path strings.Builder
	for y := range n {
		for x := 0; x < n; x++ {
			run := 0
			for x+run < n && dark(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	size := n + 2*quiet
	return template.HTML(fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges" role="img" aria-label="QR code"><path fill="#fff" d="M0 0h%dv%dh-%dz"/><path fill="#000" d="%s"/></svg>`, // #nosec G203 -- numbers alone
		size, size, size, size, size, path.String())), nil
}

// pageOf is the page around a code.
func pageOf() *template.Template {
	return template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>{{.Name}}: a knock for a phone</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; color: #16202e; background: #fff; }
svg { display: block; width: 100%; max-width: 26rem; margin: 1rem auto; }
</style>
</head>
<body>
<h1>{{.Name}}</h1>
<p>This page holds the knock: keep it like a password, and delete it when it has been handed over.</p>
{{range .Remarks}}<p>{{.}}</p>
{{end}}{{.Code}}
<ol>
<li>On the phone, install <b>Knock on Ports</b> (F-Droid or Google Play), version 2 or later.</li>
<li>Scan the code with an app that can save a text as a file, and save it as <code>{{.Name}}.json</code>.
Or open this page on the phone, and save <a download="{{.Name}}.json" href="data:application/json;base64,{{.File}}">{{.Name}}.json</a>.</li>
<li>In Knock on Ports, choose <b>Import</b> in the menu, and the file. Then delete the file.</li>
</ol>
</body>
</html>
`))
}
