/*
 * Draws the panels of a dashboard with Grafana's own components: the drawing,
 * the units, the legends and the colours are Grafana's.  What is put together
 * here is the grid and the way from Prometheus' answers to its data frames.
 */
import css from "uplot/dist/uPlot.min.css";
import React from "react";
import { createRoot } from "react-dom/client";
import { createTheme, toDataFrame, FieldType, dateTime,
	getDisplayProcessor, ThemeContext } from "@grafana/data";
import { TimeSeries, BigValue, BigValueColorMode, BigValueGraphMode,
	BigValueTextMode, BigValueJustifyMode, LegendDisplayMode, PanelChrome,
	GlobalStyles, PanelContextProvider } from "@grafana/ui";

const { board, data } = window.scene;
const theme = createTheme({ colors: { mode: window.scene.mode } });
const COLUMNS = 24, CELL = 30, GAP = 8, WIDTH = window.scene.width;
const range = { from: dateTime(data.from * 1000), to: dateTime(data.to * 1000),
	raw: { from: "", to: "" } };

function legend(format, labels) {
	if (format === "")
		return JSON.stringify(labels) === "{}" ? "Value" :
		    Object.values(labels).join(" ");
	return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, n) => labels[n] ?? "");
}

function frames(panel, all) {
	const made = [];
	for (const [format, series] of all)
		for (const one of series)
			made.push(toDataFrame({ name: legend(format, one.metric),
				fields: [
				{ name: "Time", type: FieldType.time, config: {},
				  values: one.values.map((v) => v[0] * 1000) },
				{ name: "Value", type: FieldType.number, labels: one.metric,
				  config: { displayName: legend(format, one.metric) },
				  values: one.values.map((v) => parseFloat(v[1])) } ] }));
	const d = panel.fieldConfig.defaults;
	made.forEach((f, i) => f.fields.forEach((field) => {
		if (field.type !== FieldType.number) {
			field.display = getDisplayProcessor({ field, theme, timeZone: "utc" });
			return;
		}
		field.config = { ...field.config, unit: d.unit, min: d.min, max: d.max,
			decimals: d.decimals, mappings: d.mappings ?? [],
			color: d.color ?? { mode: "palette-classic" },
			thresholds: d.thresholds,
			custom: { drawStyle: "line", axisPlacement: "auto",
				lineInterpolation: "linear", ...(d.custom ?? {}) } };
		field.state = { seriesIndex: i };
		field.display = getDisplayProcessor({ field, theme, timeZone: "utc" });
	}));
	return made;
}

function Stat({ panel, all, width, height }) {
	const found = frames(panel, all);
	if (found.length === 0)
		return <div style={{ padding: 12 }}>No data</div>;
	const field = found[0].fields[1];
	const last = field.values[field.values.length - 1];
	return <BigValue theme={theme} width={width} height={height}
	    value={{ ...field.display(last), title: "" }}
	    colorMode={BigValueColorMode.Value} graphMode={BigValueGraphMode.Area}
	    sparkline={{ y: field, x: found[0].fields[0] }}
	    textMode={BigValueTextMode.Value}
	    justifyMode={BigValueJustifyMode.Auto} />;
}

function Graph({ panel, all, width, height }) {
	const found = frames(panel, all);
	if (found.length === 0)
		return <div style={{ padding: 12 }}>No data</div>;
	return <TimeSeries frames={found} timeRange={range} timeZone="utc"
	    width={width} height={height} theme={theme} structureRev={1}
	    legend={{ showLegend: true, displayMode: LegendDisplayMode.List,
		placement: "bottom", calcs: [] }} options={{}}
	    replaceVariables={(v) => v} />;
}

function Panel({ panel, all }) {
	const { x, y, w, h } = panel.gridPos;
	const column = (WIDTH - GAP) / COLUMNS;
	const place = { position: "absolute", left: GAP + x * column,
		top: GAP + y * (CELL + GAP), width: w * column - GAP,
		height: h * (CELL + GAP) - GAP };
	if (panel.type === "row")
		return <div style={{ ...place, color: theme.colors.text.primary,
		    fontSize: 18, fontWeight: 500, paddingTop: 4 }}>
		    {"\u25be " + panel.title}</div>;
	const Body = panel.type === "stat" ? Stat : Graph;
	return <div style={place}>
	    <PanelChrome title={panel.title} description={panel.description}
		width={place.width} height={place.height}>
		{(width, height) => <Body panel={panel} all={all} width={width}
		    height={height} />}
	    </PanelChrome></div>;
}

/* Nobody moves a mouse over a picture. */
const deaf = {
	publish() {}, removeAllListeners() {},
	subscribe() { return { unsubscribe() {} }; },
	getStream() { return { subscribe: deaf.subscribe,
	    pipe() { return this; } }; },
	newScopedBus() { return deaf; },
};

class Guard extends React.Component {
	constructor(p) { super(p); this.state = {}; }
	static getDerivedStateFromError(error) { return { error }; }
	render() {
		return this.state.error ? <pre>{String(this.state.error.stack)}</pre>
		    : this.props.children;
	}
}
const style = document.createElement("style");
style.textContent = css;
document.head.append(style);
document.body.style.background = theme.colors.background.canvas;
const root = document.createElement("div");
document.body.append(root);
createRoot(root).render(<Guard><ThemeContext.Provider value={theme}>
	<GlobalStyles />
	<PanelContextProvider value={{ eventBus: deaf }}>
	{board.panels.map((p, i) => <Guard key={p.id}><Panel panel={p}
	    all={data.panels[i]} /></Guard>)}
	</PanelContextProvider></ThemeContext.Provider></Guard>);
setTimeout(() => { window.isDrawn = true; }, 1500);
