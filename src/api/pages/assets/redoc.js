"use strict";
Redoc.init(
  "/openapi.json",
  {
    expandResponses: "200,201",
    hideDownloadButton: false,
    nativeScrollbars: true,
    requiredPropsFirst: true,
    theme: {
      colors: { primary: { main: "#1f6f5c" } },
      typography: {
        fontFamily: "system-ui, sans-serif",
        headings: { fontFamily: "system-ui, sans-serif" },
        code: { fontFamily: "ui-monospace, monospace" },
      },
    },
  },
  document.getElementById("reference"),
);
