namespace Hearth.Runtime.Templates;

/// <summary>A chat template could not be read, or refused what it was given.</summary>
/// <remarks><see cref="Kind"/> is the name of the exception class that Jinja2 (or Python beneath it) raises in the same place, for
/// instance <c>TemplateSyntaxError</c>, <c>UndefinedError</c>, <c>SecurityError</c> or <c>TypeError</c>;
/// <c>raise_exception</c> gives <c>TemplateError</c>. A guard of <see cref="TemplateLimits"/> that Jinja2 does not have gives
/// <c>LimitError</c>.</remarks>
public sealed class TemplateException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="kind">The name of the matching Jinja2 or Python exception class.</param>
    /// <param name="message">What went wrong, in the template author's words.</param>
    /// <param name="line">The template line, from 1; 0 where no line is known.</param>
    public TemplateException(string kind, string message, int line = 0)
        : base(message)
    {
        Kind = kind;
        Line = line;
    }

    /// <summary>The name of the matching Jinja2 or Python exception class.</summary>
    public string Kind { get; }

    /// <summary>The template line at fault, from 1; 0 where no line is known.</summary>
    public int Line { get; internal set; }

    /// <summary>The message without kind and line: for <c>raise_exception</c> exactly the template's own text.</summary>
    public string Detail => base.Message;

    /// <inheritdoc/>
    public override string Message => Line > 0 ? $"{Kind}: {Detail} (template line {Line})" : $"{Kind}: {Detail}";
}

/// <summary>One factory for each Python or Jinja2 exception class that the interpreter raises.</summary>
internal static class Raise
{
    public static TemplateException Syntax(string message, int line) => new("TemplateSyntaxError", message, line);

    public static TemplateException Assertion(string message, int line) => new("TemplateAssertionError", message, line);

    /// <summary>Jinja2 lets Python's own compiler find these, so they bear Python's name.</summary>
    public static TemplateException PythonSyntax(string message, int line) => new("SyntaxError", message, line);

    public static TemplateException Runtime(string message) => new("TemplateRuntimeError", message);

    public static TemplateException FilterArgument(string message) => new("FilterArgumentError", message);

    public static TemplateException Type(string message) => new("TypeError", message);

    public static TemplateException Value(string message) => new("ValueError", message);

    public static TemplateException Key(string message) => new("KeyError", message);

    public static TemplateException Index(string message) => new("IndexError", message);

    public static TemplateException Overflow(string message) => new("OverflowError", message);

    public static TemplateException ZeroDivision(string message) => new("ZeroDivisionError", message);

    public static TemplateException Recursion(string message, int line = 0) => new("RecursionError", message, line);

    public static TemplateException Limit(string message) => new("LimitError", message);
}
