using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Templates;

namespace Hearth.Runtime.Tests.Templates;

public sealed class ChatTemplateTests
{
    private static readonly Dictionary<string, object?> Nothing = [];

    [Fact]
    public void Plain_values_collections_and_JSON_are_variables_alike()
    {
        var variables = new Dictionary<string, object?>
        {
            ["none"] = null,
            ["int"] = 5,
            ["ulong"] = ulong.MaxValue,
            ["float"] = 2.0f,
            ["decimal"] = 1.25m,
            ["list"] = new object?[] { 1, "a", true },
            ["map"] = new Dictionary<string, string> { ["k"] = "v" },
            ["node"] = JsonNode.Parse("""{"b": 1, "a": [1.0, null]}"""),
            ["element"] = JsonDocument.Parse("[12345678901234567890, 1e2]").RootElement,
            ["built"] = new JsonObject { ["x"] = 3, ["y"] = new JsonArray("q") },
        };
        var text = ChatTemplate.Parse("{{ none }} {{ int }} {{ ulong }} {{ float }} {{ decimal }} {{ list }} {{ map }} {{ node }} {{ element }} {{ built }}")
            .Render(variables);
        Assert.Equal(
            "None 5 18446744073709551615 2.0 1.25 [1, 'a', True] {'k': 'v'} {'b': 1, 'a': [1.0, None]} [12345678901234567890, 100.0] {'x': 3, 'y': ['q']}",
            text);
    }

    [Fact]
    public void A_variable_of_a_foreign_type_is_refused_by_name()
    {
        var error = Assert.Throws<ArgumentException>(() => ChatTemplate.Parse("").Render(new Dictionary<string, object?> { ["when"] = DateTime.UnixEpoch }));
        Assert.Contains("when", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_caller_passes_in_stays_as_it_was()
    {
        var list = new List<object?> { 1, 2, 3 };
        var template = ChatTemplate.Parse("{{ l.pop() }}{{ l }}");
        for (var i = 0; i < 2; i++)
            Assert.Equal("3[1, 2]", template.Render(new Dictionary<string, object?> { ["l"] = list }));
        Assert.Equal(3, list.Count);
    }

    [Fact]
    public void An_error_names_its_kind_and_its_line()
    {
        var error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse("a\n\n{{ x.y }}").Render(Nothing));
        Assert.Equal(("UndefinedError", 3, "'x' is undefined"), (error.Kind, error.Line, error.Detail));
        error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse("a\n{% if %}"));
        Assert.Equal(("TemplateSyntaxError", 2), (error.Kind, error.Line));
        Assert.Contains("template line 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_template_raises_reaches_the_caller_word_for_word()
    {
        var error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse("{{ raise_exception('no system role: ' ~ 5) }}").Render(Nothing));
        Assert.Equal(("TemplateError", "no system role: 5"), (error.Kind, error.Detail));
    }

    [Fact]
    public void The_clock_is_the_callers()
    {
        Assert.Equal("22 Nov 2026, Sunday", ChatTemplate.Parse("{{ strftime_now('%d %b %Y, %A') }}").Render(Nothing, new FixedClock()));
    }

    [Fact]
    public void One_template_renders_on_many_threads_at_once()
    {
        var template = ChatTemplate.Parse(
            "{% set ns = namespace(t=0) %}{% macro m(x) %}<{{ x }}>{% endmacro %}{% for i in range(n) %}{% set ns.t = ns.t + i %}{{ m(i) if loop.last }}{% endfor %}{{ ns.t }}");
        Parallel.For(1, 200, n =>
        {
            var text = template.Render(new Dictionary<string, object?> { ["n"] = n });
            Assert.Equal($"<{n - 1}>{n * (n - 1) / 2}", text);
        });
    }

    [Fact]
    public void Variables_go_before_functions_of_the_same_name()
    {
        Assert.Equal("5", ChatTemplate.Parse("{{ range }}").Render(new Dictionary<string, object?> { ["range"] = 5 }));
    }

    [Fact]
    public void JSON_that_is_no_object_holds_no_variables()
    {
        Assert.Throws<ArgumentException>(() => ChatTemplate.Parse("").Render(JsonDocument.Parse("[1]").RootElement));
    }

    [Fact]
    public void Half_a_surrogate_pair_in_JSON_is_refused()
    {
        var json = JsonDocument.Parse("""{"a": "\ud800"}""").RootElement;
        Assert.Equal("ValueError", Assert.Throws<TemplateException>(() => ChatTemplate.Parse("{{ a }}").Render(json)).Kind);
    }

    [Fact]
    public void Cases_are_reported_as_Python_prints_them()
    {
        var json = TemplateCases.RenderJson(
            "{{ x }}{{ 1 / n }}",
            """{"a \"q\"": {"x": "é\n\u007f🦙<", "n": 2}, "b": {"n": 0}}""",
            new FixedClock());
        Assert.Equal("{\n \"a \\\"q\\\"\": {\n  \"text\": \"é\\n\u007f🦙<0.5\"\n },\n \"b\": {\n  \"error\": \"ZeroDivisionError\"\n }\n}", json);
    }

    [Fact]
    public void A_template_that_does_not_parse_is_an_error_of_every_case()
    {
        Assert.Equal(
            "{\n \"a\": {\n  \"error\": \"TemplateSyntaxError\"\n },\n \"b\": {\n  \"error\": \"TemplateSyntaxError\"\n }\n}",
            TemplateCases.RenderJson("{% if %}", """{"a": {}, "b": {}}""", new FixedClock()));
        Assert.Equal("{}", TemplateCases.RenderJson("", "{}", new FixedClock()));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"a\": 1}")]
    [InlineData("{")]
    [InlineData("{\"\\ud800\": {}}")]
    public void Cases_that_are_no_objects_of_variables_are_refused(string cases)
        => Assert.ThrowsAny<JsonException>(() => TemplateCases.RenderJson("", cases, new FixedClock()));
}
