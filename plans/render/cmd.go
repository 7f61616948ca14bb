package render

import "strings"

// Cmd returns a batch file for Windows that runs, by a double click, the PowerShell script of the
// same name beside it. It holds no knock. What it expands stands in quotes: a folder may have
// blanks, & and brackets in its name, and a percent sign or an exclamation mark is expanded no
// second time. It has no block in brackets, which a bracket in the name of a folder would end.
func Cmd() string {
	const text = `@echo off
rem Runs the PowerShell script of the same name that lies beside this file, and that holds the knock.
rem usage: double-click it, or FILE.cmd [HOST]
setlocal EnableExtensions DisableDelayedExpansion
set "power=%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe"
if not exist "%~dpn0.ps1" goto missing
"%power%" -NoProfile -ExecutionPolicy Bypass -File "%~dpn0.ps1" %*
set "code=%ERRORLEVEL%"
if not "%code%"=="0" echo the knock was not sent
goto end
:missing
echo "%~n0.ps1" is missing: it has to lie beside this file
set "code=1"
:end
if "%~1"=="" pause
exit /b %code%
`
	return strings.ReplaceAll(text, "\n", "\r\n")
}
