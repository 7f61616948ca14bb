package page_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/rosknock/rosknock/cmd/rosknock/view/page"
)

func openAudit(ctx context.Context, t testing.TB, a page.Audit, before ...action) *tab {
	t.Helper()
	return openPage(ctx, t, writeAudit(t, a), before...)
}

// left compares what can be seen of rows and routers, by ids and names, and what the count says.
func (b *tab) left(what, count string, want ...string) {
	b.Helper()
	got := ask[[]string](b, `[...document.querySelectorAll('.row, .names li')].filter(e => e.id ? e.checkVisibility() : !e.closest('[hidden]')).map(e => e.id || e.textContent)`)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.Errorf("%s leaves %q, not %q", what, got, want)
	}
	if said := ask[string](b, `document.getElementById('count').textContent`); said != count {
		b.Errorf("%s: the count says %q, not %q", what, said, count)
	}
}

func everyRow() []string {
	return strings.Fields("e1 e2 e3 e4 f1 f2 f3 f4 n1 n2 core-1 branch-2 branch-10 spare")
}

func auditFilter(ctx context.Context, t *testing.T) {
	b := openAudit(ctx, t, smallAudit())
	b.left("nothing chosen", "4 of 4 exposures, 4 of 4 findings, 4 of 4 routers shown", everyRow()...)
	b.run(keys("#router", "branch-1"))
	b.left("a router", "2 of 4 exposures, 2 of 4 findings, 1 of 4 routers shown", "e3", "e4", "f1", "f2", "n2", "branch-10")
	b.run(click("#reset"), keys("#router", "spare"))
	b.left("a router that was not read", "0 of 4 exposures, 0 of 4 findings, 1 of 4 routers shown", "spare")
	if !ask[bool](b, `[...document.querySelectorAll('.none')].some(e => e.checkVisibility())`) {
		t.Error("nothing says that the tables are empty")
	}
	b.run(click("#reset"), keys("#q", "SNMP"))
	b.left("a text", "1 of 4 exposures, 1 of 4 findings, 1 of 4 routers shown", "e2", "f4", "core-1")
	b.run(click("#reset"), keys("#q", "L20 17"))
	b.left("an id and a word", "0 of 4 exposures, 1 of 4 findings, 2 of 4 routers shown", "f1", "branch-2", "branch-10")
	b.run(click("#reset"), pick("who", "anyone"))
	b.left("who", "2 of 4 exposures, 4 of 4 findings, 1 of 4 routers shown", "e1", "e2", "f1", "f2", "f3", "f4", "n1", "n2", "core-1")
	b.run(click("#reset"), pick("what", "layer-2"))
	b.left("a kind of exposure", "1 of 4 exposures, 4 of 4 findings, 2 of 4 routers shown", "e4", "f1", "f2", "f3", "f4", "n1", "n2", "branch-2", "branch-10")
	b.run(click("#reset"), click(`button[data-mark=refuse]`))
	b.left("a severity", "4 of 4 exposures, 2 of 4 findings, 2 of 4 routers shown", "e1", "e2", "e3", "e4", "f1", "f2", "n1", "n2", "branch-2", "branch-10")
	b.run(click(`button[data-mark=accepted]`), settled())
	b.left("two severities", "4 of 4 exposures, 3 of 4 findings, 3 of 4 routers shown", "e1", "e2", "e3", "e4", "f1", "f2", "f4", "n1", "n2", "core-1", "branch-2", "branch-10")
	b.run(chromedp.Reload())
	b.left("the same after a reload", "4 of 4 exposures, 3 of 4 findings, 3 of 4 routers shown", "e1", "e2", "e3", "e4", "f1", "f2", "f4", "n1", "n2", "core-1", "branch-2", "branch-10")
	b.quiet()
}

// auditLinks goes from a row to its kind and back, also to what the filter hides.
func auditLinks(ctx context.Context, t *testing.T) {
	b := openAudit(ctx, t, smallAudit())
	b.run(click(`#e1 a[href="#k1"]`))
	if got := ask[string](b, `document.activeElement.closest('.kind')?.id + ' ' + k1.open + ' ' + location.hash`); got != "k1 true #at=k1" {
		t.Errorf("after the link to a kind: %s", got)
	}
	b.run(click(`button[data-mark=refuse]`), settled(), do(`document.querySelector('#k1 a[href="#f3"]').click()`), settled())
	if got := ask[string](b, `document.activeElement.id + ' ' + f3.checkVisibility() + ' ' + location.hash`); got != "f3 true #at=f3" {
		t.Errorf("after the link to a row that was hidden: %s", got)
	}
	b.run(chromedp.Reload())
	if got := ask[string](b, `document.activeElement.id`); got != "f3" {
		t.Errorf("after a reload: %s", got)
	}
	unnamed := ask[[]string](b, `[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).map(e => e.id)`)
	if len(unnamed) > 0 {
		t.Errorf("no label: %q", unnamed)
	}
	b.quiet()
}

func auditPhone(ctx context.Context, t *testing.T) {
	endless := auditEverywhere(func() string { return strings.Repeat("W", 3000) })
	for name, a := range map[string]page.Audit{"small": smallAudit(), "hostile": endless} {
		for _, width := range []int64{360, 390} {
			b := openAudit(ctx, t, a, size(width, true))
			b.run(click("#unfold"))
			if got := ask[[]int](b, `[document.documentElement.scrollWidth, innerWidth]`); int64(got[0]) > width || int64(got[1]) != width {
				t.Errorf("%s: %d wide in a window of %d", name, got[0], got[1])
			}
			if out := ask[[]string](b, sticking); len(out) > 0 {
				t.Errorf("%s at %d: stands out: %q", name, width, out[:min(len(out), 5)])
			}
			b.quiet()
		}
	}
}

func auditPrint(ctx context.Context, t *testing.T) {
	b := openAudit(ctx, t, smallAudit())
	b.run(media("print", "dark"))
	hidden := ask[[]string](b, `[...document.querySelectorAll('.row, .names li, .links a')].filter(e => !e.checkVisibility() || !e.getBoundingClientRect().height).map(e => e.id || e.textContent)`)
	if len(hidden) > 0 {
		t.Errorf("not printed: %q", hidden)
	}
	if ask[bool](b, `[...document.querySelectorAll('form, button, input, select')].some(e => e.checkVisibility())`) {
		t.Error("controls are printed")
	}
	if got := ask[[]string](b, `[...new Set([...document.querySelectorAll('main *')].map(e => getComputedStyle(e)).flatMap(s => [s.color, s.backgroundColor]))].filter(c => !/^rgba?\((0, 0, 0|255, 255, 255)/.test(c))`); len(got) > 0 {
		t.Errorf("it is printed in %q", got)
	}
	b.run(media("", "light"), printed(func(pdf []byte) {
		if !strings.HasPrefix(string(pdf), "%PDF") {
			t.Error("no PDF comes out")
		}
	}))
	b.quiet()
}

func auditContrast(ctx context.Context, t *testing.T) {
	for _, scheme := range []string{"light", "dark"} {
		b := openAudit(ctx, t, smallAudit(), media("", scheme))
		b.run(click("#unfold"), click(`button[data-mark=refuse]`), click(`button[data-mark=warn]`), click(`button[data-mark=accepted]`))
		if out := ask[[]string](b, weak); len(out) > 0 {
			t.Errorf("%s: hard to read: %q", scheme, out)
		}
		b.quiet()
	}
}

func auditNoScript(ctx context.Context, t *testing.T) {
	b := openAudit(ctx, t, smallAudit(), call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	b.left("without a script", "4 of 4 exposures, 4 of 4 findings, 4 of 4 routers shown", everyRow()...)
	if hidden := ask[[]string](b, `[...document.querySelectorAll('.kind *')].filter(e => !e.checkVisibility()).map(e => e.outerHTML)`); len(hidden) > 0 {
		t.Errorf("hidden: %q", hidden)
	}
	if ask[bool](b, `document.getElementById('filter').checkVisibility()`) {
		t.Error("controls that can do nothing are shown")
	}
	b.quiet()
}

// auditFleet logs what a thousand routers cost of which none is as another.
func auditFleet(ctx context.Context, t *testing.T) {
	b := openAudit(ctx, t, fleetAudit(1000))
	loaded := ask[float64](b, `performance.getEntriesByType('navigation')[0].loadEventEnd`)
	filtered := ask[float64](b, `(() => { const t = performance.now(); router.value = 'branch-49'; router.dispatchEvent(new Event('input', {bubbles: true})); document.body.offsetHeight; return performance.now() - t; })()`)
	t.Logf("1,000 kinds: loaded in %.0f ms, filtered in %.0f ms", loaded, filtered)
	if got := ask[string](b, `count.textContent`); got != "20 of 20 exposures, 33 of 3000 findings, 11 of 1000 routers shown" {
		t.Error(got)
	}
	b.quiet()
}

// auditShots keeps pictures for people in the folder ROSKNOCK_SHOTS: of the example, or of the page
// that ROSKNOCK_PAGE names.
func auditShots(ctx context.Context, t *testing.T) {
	folder := os.Getenv("ROSKNOCK_SHOTS")
	if folder == "" {
		t.Skip("ROSKNOCK_SHOTS names no folder")
	}
	written := writeAudit(t, smallAudit())
	if name := os.Getenv("ROSKNOCK_PAGE"); name != "" {
		var err error
		if written, err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	shot := func(name string, at string, before ...action) {
		b := openPage(ctx, t, written, before...)
		b.run(do(`document.querySelector('#k1').open = true`), do(`document.querySelector('`+at+`').scrollIntoView()`))
		picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		keep(t, folder, "audit-"+name+".png", picture)
	}
	tall := func(width, height int64, mobile bool) action {
		return call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: mobile})
	}
	for part, at := range map[string]string{"top": "h1", "findings": "#findings", "parts": "footer", "kinds": "#kinds", "exposures": "#exposures"} {
		shot("desktop-"+part, at, tall(1280, 1400, false), media("", "light"))
		shot("dark-"+part, at, tall(1280, 1400, false), media("", "dark"))
		shot("phone-"+part, at, tall(390, 1200, true), media("", "light"))
	}
	b := openPage(ctx, t, written)
	b.run(printed(func(pdf []byte) { keep(t, folder, "audit-print.pdf", pdf) }))
}
