using Markdig;
using Markdig.Extensions.Tables;
using Markdig.Extensions.TaskLists;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;
using Spectre.Console;
using Spectre.Console.Rendering;
using Block = Markdig.Syntax.Block;
using MarkdownTable = Markdig.Extensions.Tables.Table;
using Table = Spectre.Console.Table;
using TableRow = Markdig.Extensions.Tables.TableRow;

namespace Hearth.Host.CommandLine.Terminal;

/// <summary>Blocks of markdown as a terminal shows them. HTML is shown as the text that it is.</summary>
internal static class MarkdownBlocks
{
    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder().UsePipeTables().UseTaskLists().UseEmphasisExtras().UsePreciseSourceLocation().Build();

    private static readonly Style Dim = new(Color.Grey);
    private static readonly Style Code = new(Color.Yellow);

    /// <summary>The blocks of a text; null where it cannot be read, being nested too deep.</summary>
    public static MarkdownDocument? Parse(string text)
    {
        try
        {
            return Markdown.Parse(text, Pipeline);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>A block, without an empty line around it.</summary>
    public static IRenderable Render(Block block) => block switch
    {
        HeadingBlock heading => Text(heading.Inline, new Style(decoration: heading.Level <= 2 ? Decoration.Bold | Decoration.Underline : Decoration.Bold)),
        ParagraphBlock paragraph => Text(paragraph.Inline, Style.Plain),
        CodeBlock code => new Padder(new Paragraph(string.Join('\n', code.Lines.Lines.Take(code.Lines.Count).Select(line => line.Slice.ToString())), Code), new Padding(2, 0, 0, 0)),
        HtmlBlock html => new Paragraph(string.Join('\n', html.Lines.Lines.Take(html.Lines.Count).Select(line => line.Slice.ToString()))),
        QuoteBlock quote => Beside("│ ", Dim, Stack(quote)),
        ListBlock list => new Rows(list.OfType<ListItemBlock>().Select((item, index) => Beside(list.IsOrdered ? $"{Start(list) + index}. " : "• ", Dim, Stack(item)))),
        MarkdownTable table => Render(table),
        ThematicBreakBlock => new Rule { Style = Dim },
        ContainerBlock container => Stack(container),
        _ => new Paragraph(""),
    };

    private static int Start(ListBlock list) => int.TryParse(list.OrderedStart, out var start) ? start : 1;

    private static Rows Stack(ContainerBlock blocks) => new(blocks.Select(Render));

    private static Grid Beside(string mark, Style style, IRenderable content)
        => new Grid().AddColumn(new GridColumn().NoWrap().PadLeft(0).PadRight(0)).AddColumn(new GridColumn().PadLeft(0).PadRight(0)).AddRow(new Paragraph(mark, style), content);

    private static Table Render(MarkdownTable table)
    {
        var shown = new Table().Border(TableBorder.Rounded).BorderStyle(Dim);
        var rows = table.OfType<TableRow>().ToList();
        var columns = rows.Count == 0 ? 0 : rows.Max(row => row.Count);
        for (var column = 0; column < columns; column++)
        {
            var header = rows[0].Count > column ? Cell(rows[0][column], new Style(decoration: Decoration.Bold)) : new Paragraph("");
            shown.AddColumn(new TableColumn(header)
            {
                Alignment = column < table.ColumnDefinitions.Count && table.ColumnDefinitions[column].Alignment is { } side
                    ? side switch { TableColumnAlign.Right => Justify.Right, TableColumnAlign.Center => Justify.Center, _ => Justify.Left }
                    : Justify.Left,
            });
        }

        foreach (var row in rows.Skip(1))
        {
            shown.AddRow([.. Enumerable.Range(0, columns).Select(column => column < row.Count ? Cell(row[column], Style.Plain) : new Paragraph(""))]);
        }

        return shown;
    }

    private static Paragraph Cell(Block cell, Style style)
    {
        var paragraph = new Paragraph();
        foreach (var block in ((ContainerBlock)cell).OfType<ParagraphBlock>())
        {
            Add(paragraph, block.Inline, style);
        }

        return paragraph;
    }

    private static Paragraph Text(ContainerInline? inline, Style style)
    {
        var paragraph = new Paragraph();
        Add(paragraph, inline, style);
        return paragraph;
    }

    private static void Add(Paragraph paragraph, ContainerInline? inlines, Style style)
    {
        foreach (var inline in inlines ?? Enumerable.Empty<Inline>())
        {
            switch (inline)
            {
                case LiteralInline literal:
                    paragraph.Append(literal.Content.ToString(), style);
                    break;
                case CodeInline code:
                    paragraph.Append(code.Content, style.Combine(Code));
                    break;
                case EmphasisInline emphasis:
                    Add(paragraph, emphasis, style.Combine(new Style(decoration: emphasis switch
                    {
                        { DelimiterChar: '~' } => Decoration.Strikethrough,
                        { DelimiterCount: 1 } => Decoration.Italic,
                        _ => Decoration.Bold,
                    })));
                    break;
                case LinkInline link:
                    Add(paragraph, link, style.Combine(new Style(decoration: Decoration.Underline)));

                    // An address behind a text that says something else is shown: where it leads is the reader's to see.
                    if (link.Url is { } url && !link.IsAutoLink && (link.FirstChild as LiteralInline)?.Content.ToString() != url)
                    {
                        paragraph.Append($" ({url})", style.Combine(Dim));
                    }

                    break;
                case AutolinkInline address:
                    paragraph.Append(address.Url, style.Combine(new Style(decoration: Decoration.Underline)));
                    break;
                case LineBreakInline line:
                    paragraph.Append(line.IsHard ? "\n" : " ", style);
                    break;
                case HtmlEntityInline entity:
                    paragraph.Append(TerminalText.Harmless(entity.Transcoded.ToString()), style);
                    break;
                case HtmlInline html:
                    paragraph.Append(html.Tag, style);
                    break;
                case TaskList task:
                    paragraph.Append(task.Checked ? "☑ " : "☐ ", style);
                    break;
                case ContainerInline container:
                    Add(paragraph, container, style);
                    break;
            }
        }
    }
}
